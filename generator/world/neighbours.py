"""The nearest thing to what the world does not have: words beside those of `generator.world.vocabulary`.

A word that means the same is taken for its concept; one that means something else, for what looks or moves most like
it. Either is reported to the user.
"""

from __future__ import annotations

from collections.abc import Mapping

from generator.world.vocabulary import Kind

NEIGHBOURS: Mapping[tuple[Kind, str], tuple[str, str]] = {
    ("subject", "ball"): (
        "football soccer-ball basketball tennis-ball volleyball baseball marble bubble planet globe bowling-ball pearl",
        "足球 篮球 网球 排球 弹珠 泡泡 星球 地球仪 珍珠",
    ),
    ("subject", "star"): ("asterisk snowflake sparkle comet meteor", "雪花 流星 彗星 海星"),
    ("subject", "heart"): ("valentine love", "心脏 桃心"),
    ("subject", "balloon"): ("airship blimp zeppelin lantern parachute", "飞艇 灯笼 孔明灯 降落伞"),
    ("subject", "kite"): ("glider paraglider flag", "滑翔伞 滑翔机 旗子 旗帜"),
    ("subject", "gift"): ("box parcel package crate suitcase chest cube block", "盒子 箱子 包裹 行李箱 宝箱 方块 快递"),
    ("subject", "bell"): ("gong jingle-bell", "钟声 风铃 铜锣"),
    ("subject", "robot"): (
        "person man woman boy girl child kid baby human astronaut people cyborg machine knight soldier princess king "
        "queen doll toy dancer player monster zombie superhero",
        "人 男人 女人 男孩 女孩 孩子 小孩 宝宝 宇航员 骑士 士兵 公主 国王 机器 玩具 娃娃 舞者 怪物 超人",
    ),
    ("subject", "snowman"): ("santa ghost yeti scarecrow", "圣诞老人 鬼 幽灵 雪怪 稻草人"),
    ("subject", "umbrella"): ("brolly", "遮阳伞 小伞"),
    ("subject", "house"): (
        "cabin home building tower church school temple tent shed lighthouse bungalow",
        "别墅 家 楼房 塔 教堂 学校 寺庙 灯塔 大楼 棚子",
    ),
    ("subject", "cake"): (
        "pie cupcake pizza bread cookie donut doughnut burger muffin dessert",
        "馅饼 披萨 面包 饼干 甜甜圈 汉堡 甜点 月饼",
    ),
    ("subject", "clock"): ("watch stopwatch timer compass", "手表 钟 表 秒表 指南针"),
    ("subject", "cup"): ("glass bottle bowl teapot pot vase bucket jug kettle", "玻璃杯 瓶子 碗 茶壶 花瓶 水桶 水壶"),
    ("subject", "hat"): ("cap helmet crown bonnet fedora", "鸭舌帽 头盔 皇冠 草帽"),
    ("subject", "guitar"): ("violin banjo cello piano drum trumpet instrument", "小提琴 琵琶 大提琴 钢琴 鼓 小号 乐器"),
    ("subject", "lamp"): ("light bulb torch candle flashlight streetlight", "灯 灯泡 火把 蜡烛 手电筒 路灯"),
    ("subject", "flower"): (
        "tulip sunflower lily orchid plant bouquet",
        "玫瑰 郁金香 向日葵 百合 植物 花束 荷花 樱花",
    ),
    ("subject", "tree"): ("palm pine bush cactus fir willow birch", "棕榈 松树 灌木 仙人掌 柳树 树木"),
    ("subject", "apple"): (
        "pear peach tomato cherry fruit lemon strawberry banana pumpkin",
        "梨 桃子 西红柿 番茄 樱桃 水果 柠檬 草莓 香蕉 南瓜",
    ),
    ("subject", "mushroom"): ("fungus fungi", "菌菇 菌子"),
    ("subject", "car"): (
        "motorcar sedan convertible jeep van suv sports-car racing-car race-car limousine cab minivan buggy",
        "跑车 赛车 吉普 面包车 出租车 越野车 敞篷车 小车",
    ),
    ("subject", "truck"): (
        "fire-engine ambulance pickup tank dump-truck digger excavator",
        "救护车 皮卡 坦克 挖掘机 垃圾车 推土机",
    ),
    ("subject", "bus"): ("coach tram trolley minibus double-decker caravan", "大巴 电车 中巴 双层巴士 房车 大客车"),
    ("subject", "train"): ("subway metro monorail engine railway", "地铁 高铁 动车 机车 轻轨"),
    ("subject", "tractor"): ("bulldozer harvester combine", "收割机 农用车"),
    ("subject", "bicycle"): (
        "motorbike motorcycle scooter tricycle moped unicycle cycle",
        "摩托车 滑板车 三轮车 电动车 独轮车",
    ),
    ("subject", "boat"): (
        "canoe kayak raft ferry steamer dinghy vessel gondola barge",
        "独木舟 皮划艇 木筏 渡轮 游艇 游船 小艇",
    ),
    ("subject", "submarine"): ("u-boat torpedo", "鱼雷 潜水器"),
    ("subject", "airplane"): ("airliner biplane fighter jet drone", "战斗机 喷气机 无人机 航班"),
    ("subject", "helicopter"): ("quadcopter", "旋翼机"),
    ("subject", "rocket"): ("missile shuttle space-shuttle satellite capsule", "导弹 航天飞机 卫星 太空船"),
    ("subject", "ufo"): ("saucer alien spacepod", "外星人 外星飞船 圆盘"),
    ("subject", "cat"): (
        "tiger leopard cheetah lynx panther puma jaguar kitty-cat tabby fox",
        "老虎 豹子 猎豹 豹 虎 狐狸 喵星人 猫儿",
    ),
    ("subject", "dog"): (
        "wolf hound poodle terrier retriever husky coyote pup",
        "狼 猎犬 狗子 犬 哈士奇 土狗 汪星人",
    ),
    ("subject", "rabbit"): ("kangaroo hamster guinea-pig", "袋鼠 野兔 仓鼠"),
    ("subject", "mouse"): ("squirrel chipmunk hedgehog mole gerbil", "松鼠 刺猬 鼹鼠 耗子"),
    ("subject", "pig"): ("boar hog hippo hippopotamus sow", "野猪 河马 猪猪"),
    ("subject", "horse"): (
        "cow bull donkey mule zebra unicorn deer goat sheep camel foal stallion mare reindeer ox",
        "牛 奶牛 驴 斑马 独角兽 鹿 山羊 绵羊 羊 骆驼 马驹 公牛",
    ),
    ("subject", "elephant"): ("mammoth rhino rhinoceros", "猛犸 犀牛"),
    ("subject", "lion"): ("lion-cub", "狮"),
    ("subject", "giraffe"): ("llama alpaca", "羊驼"),
    ("subject", "bear"): ("grizzly koala gorilla monkey ape cub", "棕熊 考拉 大猩猩 猴子 狗熊"),
    ("subject", "dinosaur"): ("dragon crocodile alligator lizard godzilla raptor", "龙 鳄鱼 蜥蜴 哥斯拉 迅猛龙"),
    ("subject", "bird"): (
        "eagle hawk parrot crow raven swallow robin falcon bat stork chicken hen rooster turkey",
        "老鹰 鹰 鹦鹉 乌鸦 燕子 蝙蝠 鸡 公鸡 母鸡 鸟儿 喜鹊",
    ),
    ("subject", "duck"): ("goose swan gosling", "鹅 天鹅"),
    ("subject", "owl"): ("owlet", "夜猫子"),
    ("subject", "penguin"): ("puffin", "海鹦"),
    ("subject", "fish"): ("shark salmon trout tuna piranha eel clownfish", "鲨鱼 三文鱼 鳗鱼 小丑鱼 鲤鱼 鱼儿"),
    ("subject", "whale"): ("dolphin orca seal manatee walrus", "海豚 虎鲸 海豹 海象"),
    ("subject", "octopus"): ("kraken cuttlefish", "乌贼 鱿鱼"),
    ("subject", "jellyfish"): ("medusa", "海蜇"),
    ("subject", "crab"): ("lobster scorpion shrimp crayfish", "龙虾 蝎子 虾"),
    ("subject", "turtle"): ("terrapin", "甲鱼"),
    ("subject", "frog"): ("tadpole bullfrog", "蟾蜍 蝌蚪 牛蛙"),
    ("subject", "snake"): ("worm cobra python caterpillar viper", "虫子 毛毛虫 蟒蛇 眼镜蛇 蚯蚓"),
    ("subject", "snail"): ("slug shell", "贝壳 鼻涕虫"),
    ("subject", "bee"): ("wasp hornet fly mosquito", "黄蜂 马蜂 苍蝇 蚊子"),
    ("subject", "butterfly"): ("dragonfly fairy", "蜻蜓 仙子 蝴蝶结"),
    ("subject", "ladybug"): ("bug ant spider insect", "虫 蚂蚁 蜘蛛 昆虫 七星瓢虫"),
    ("colour", "red"): ("ruby cherry-red blood-red maroon burgundy reddish vermilion", "大红 火红 枣红 朱红 酒红"),
    ("colour", "orange"): ("tangerine apricot peach-coloured amber copper", "橘黄 杏色 琥珀色 橙黄"),
    ("colour", "yellow"): ("lemon-yellow mustard blond yellowish sunny-yellow", "柠檬黄 鹅黄 明黄 米黄"),
    ("colour", "green"): ("lime olive mint jade greenish grass-green", "草绿 墨绿 嫩绿 碧绿 军绿"),
    ("colour", "blue"): ("navy indigo cobalt sapphire bluish sky-blue", "深蓝 宝蓝 海蓝 湛蓝 靛蓝 蔚蓝"),
    ("colour", "purple"): ("lilac lavender mauve plum purplish", "淡紫 紫罗兰 葡萄紫"),
    ("colour", "pink"): ("salmon-pink fuchsia pinkish rosy coral", "桃红 桃粉 珊瑚色"),
    ("colour", "white"): ("ivory cream pale snowy-white whitish", "乳白 洁白 米白 象牙白"),
    ("colour", "brown"): ("beige tan bronze coffee-coloured brownish hazel", "古铜 米色 茶色 巧克力色 栗色"),
    ("colour", "black"): ("dark inky pitch-black blackish", "乌黑 墨黑 深黑"),
    ("colour", "grey"): ("slate ash greyish grayish silvery charcoal", "浅灰 深灰 铁灰"),
    ("colour", "turquoise"): ("blue-green aquamarine greenish-blue", "碧蓝 绿松石色 湖蓝 蓝绿"),
    ("motion", "rise"): (
        "lifting lifted ascend climbs climb rises-up lifts launches launching levitates levitating heading-up skyward "
        "goes-skyward takes-off",
        "飘向天空 飞向天空 腾空 上浮 浮起 升高 爬升 冲上 飞起来 升上",
    ),
    ("motion", "fall"): (
        "dropped is-dropped drop plummets plummeting plunges plunging falls-down crashes crashing dives diving "
        "comes-down coming-down",
        "掉下来 掉落 落到 落向 跌落 坠下 下坠 往下掉 俯冲 飘落 落地",
    ),
    ("motion", "left"): ("westward westwards west leftwards", "左侧 左方 左飞 左开 左游 左走 左飘"),
    ("motion", "right"): (
        "eastward eastwards east drives driving drive fly flies runs running run walks walking walk swims swimming "
        "swim flying sails sailing crawls crawling crawl gallops galloping marches races racing rides riding travels "
        "travelling traveling glides gliding slides sliding passes heads heading cruises cruising",
        "右侧 右方 右飞 右开 右游 右走 右飘 行驶 奔跑 行走 走过 走着 游泳 游动 飞行 航行 爬行 驶过 飞过 游过 跑过 奔驰 "
        "滑行 前进",
    ),
    ("motion", "bounce"): (
        "bounced dribbles springing bobbing bobs bouncy hop leapfrogs trampolining dances dancing skipping skips",
        "蹦 蹦蹦跳跳 弹来弹去 一跳一跳 上下弹 上下跳动 跳舞 蹦跶 弹起来",
    ),
    ("motion", "hover"): (
        "floats floating float hangs hanging sits sitting stands standing stationary suspended idle sleeps sleeping "
        "lies lying levitating-still stood rest unmoving",
        "漂浮 飘浮 站着 坐着 立着 躺着 停着 静静 挂着 睡觉 一动不动 浮在 待着",
    ),
    ("motion", "throw"): (
        "throws hurled flung lobbed catapulted arcs arcing launched-in-an-arc vaults",
        "弧线 划出弧线 投出 被扔 抛向 丢出 抛到 弧形",
    ),
    ("motion", "swing"): (
        "rocking rocks rock wobbles wobbling dangling dangles pendulum waves-about shaking shakes",
        "晃动 来回晃 晃来晃去 荡秋千 摆来摆去 摇晃着 钟摆 摇摇摆摆",
    ),
    ("motion", "circle"): (
        "loops looping circled revolves-around around-in-circles circular orbit",
        "转圈圈 打圈 绕着 环形 一圈一圈 画圈",
    ),
    ("motion", "zigzag"): (
        "zig-zag zig-zags meanders meandering flutters fluttering slaloms darts darting wiggles",
        "弯弯曲曲 左拐右拐 忽左忽右 歪歪扭扭 曲线 蜿蜒 之字",
    ),
    ("motion", "roll"): ("rolled trundles trundling tumbles-along", "滚来滚去 滚着 滚了 滚落"),
    ("motion", "spin"): (
        "whirls whirling spun rotate rotated twirl pirouettes pirouetting turns turning twists gyrates",
        "转个不停 转来转去 转着 原地旋转 自己转 飞速转 陀螺",
    ),
    ("scene", "sea"): (
        "seashore river pond harbour harbor bay pool lagoon seas oceans",
        "河 河面 池塘 港口 海湾 泳池 水边 湖边 湖",
    ),
    ("scene", "meadow"): (
        "garden lawn prairie grass-field pasture yard meadows fields savanna playground",
        "花园 田 院子 牧场 草坡 绿地 操场 花丛",
    ),
    ("scene", "desert"): ("sandy-desert wasteland sand-dunes pyramid pyramids outback", "荒漠 金字塔 大漠 沙海"),
    ("scene", "snow"): (
        "snowy icy glacier iceberg snowscape frozen antarctica alps wintry",
        "雪景 冰川 冰山 雪天 南极 冰天雪地 冬季 白雪 山 群山 下雪",
    ),
    ("scene", "night"): (
        "galaxy nighttime dark-sky outer-space stars-above cosmos universe moonlit nocturnal",
        "银河 宇宙 满天星 月夜 晚上 夜色 外太空 繁星",
    ),
    ("scene", "sunset"): (
        "setting-sun afterglow sun-goes-down",
        "落日 日暮 天边 火烧云 晚上前 朝霞",
    ),
    ("scene", "city"): (
        "road highway metropolis urban market square plaza bridge cityscape streets",
        "城里 公路 高速 都会 广场 大桥 城区 街头 街上 摩天大楼 楼群",
    ),
    ("scene", "forest"): (
        "rainforest bamboo grove forests pines woodlands wilderness",
        "林子 竹林 雨林 森林深处 密林 树丛",
    ),
    ("scene", "beach"): (
        "sands seafront palm-beach coastline shoreline islands sandbank",
        "沙子 海岸线 岛 小岛 岸边 海滨",
    ),
    ("scene", "underwater"): (
        "coral ocean-floor sea-floor seafloor undersea fish-tank beneath-the-waves submerged depths",
        "珊瑚 海洋深处 海里 水族馆 水里 鱼缸",
    ),
    ("scene", "volcano"): ("eruption erupting magma volcanic molten", "喷发 岩浆河 火山群 爆发"),
    ("scene", "room"): (
        "lounge classroom library restaurant cafe studio gym apartment attic parlour bathroom indoor",
        "教室 图书馆 餐厅 咖啡馆 公寓 书房 浴室 屋子 大厅",
    ),
    ("scene", "farm"): (
        "farmyard orchard vineyard wheat barnyard ranch windmill crops",
        "果园 农家 风车 庄稼 麦地 田地 农庄 田间",
    ),
    ("scene", "lunar"): ("lunar moonscape planet-surface", "月亮上 月球上 环形山 星球表面"),
    ("scene", "canyon"): ("valley mesa gully rocky-valley", "山谷 谷底 沟壑 崖壁 大裂谷"),
    ("scene", "waterfall"): ("niagara rapids cataract", "飞瀑 水帘 激流"),
    ("scene", "castle"): ("castles chateau citadel kingdom medieval ruins", "城楼 皇宫 要塞 王国 宫廷 城墙"),
    ("scene", "autumn"): (
        "autumnal october november fallen-leaves golden-leaves red-leaves fall-park",
        "秋季 红叶 黄叶 深秋 秋色 秋",
    ),
    ("scene", "cave"): ("tunnel mine underground cavernous", "隧道 矿井 地下 岩洞里 石洞"),
    ("scene", "stage"): (
        "theatrical opera concert show arena podium disco nightclub",
        "歌剧院 演唱会 表演 讲台 剧场里 台上",
    ),
}
"""English and Chinese words for each concept, apart by spaces; what has a hyphen is two words or more."""
