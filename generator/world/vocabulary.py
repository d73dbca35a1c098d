"""The small world: what can be drawn, and the English and Chinese words that name it.

A concept has one canonical name and any number of surface words per language. The captions of the training clips, the
prompt tokenizer and the notices about words that were not understood all read this one table. A token is a position in
it, so what is new is added at its end, and trained weights can be widened to know it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["subject", "colour", "motion", "scene"]
KINDS: tuple[Kind, ...] = ("subject", "colour", "motion", "scene")


@dataclass(frozen=True)
class Concept:
    """One thing the world knows: ``name`` is canonical, ``en`` and ``zh`` are the words that mean it."""

    kind: Kind
    name: str
    en: tuple[str, ...]
    zh: tuple[str, ...]


CONCEPTS: tuple[Concept, ...] = (
    Concept("subject", "balloon", ("balloon", "hot air balloon", "balloons"), ("气球", "热气球")),
    Concept("subject", "ball", ("ball", "beach ball", "rubber ball", "sphere", "orb"), ("皮球", "球", "圆球", "球体")),
    Concept("subject", "star", ("star", "stars", "starfish"), ("星星", "五角星", "星")),
    Concept("subject", "heart", ("heart", "hearts", "love heart"), ("爱心", "心形", "红心", "心")),
    Concept("subject", "fish", ("fish", "goldfish", "fishes"), ("金鱼", "鱼", "小鱼")),
    Concept("subject", "boat", ("boat", "sailboat", "sailing boat", "ship", "yacht"), ("帆船", "小船", "船", "轮船")),
    Concept("subject", "car", ("car", "automobile", "cars", "vehicle", "taxi"), ("汽车", "小汽车", "轿车", "车")),
    Concept("subject", "rocket", ("rocket", "spaceship", "spacecraft", "rocket ship"), ("火箭", "飞船", "宇宙飞船")),
    Concept("colour", "red", ("red", "crimson", "scarlet"), ("红色", "红", "鲜红")),
    Concept("colour", "orange", ("orange",), ("橙色", "橘色", "橙", "橘红")),
    Concept("colour", "yellow", ("yellow", "golden", "gold"), ("黄色", "黄", "金色", "金黄")),
    Concept("colour", "green", ("green", "emerald"), ("绿色", "绿", "翠绿")),
    Concept("colour", "blue", ("blue", "azure"), ("蓝色", "蓝", "天蓝")),
    Concept("colour", "purple", ("purple", "violet"), ("紫色", "紫")),
    Concept("colour", "pink", ("pink", "rose", "magenta"), ("粉色", "粉红", "粉红色", "玫红")),
    Concept("colour", "white", ("white", "snow white"), ("白色", "白", "雪白")),
    Concept(
        "motion",
        "rise",
        (
            "rising",
            "rises",
            "rise",
            "ascending",
            "ascends",
            "going up",
            "goes up",
            "floating up",
            "floats up",
            "lifts off",
            "flying up",
            "flies up",
            "moving up",
            "moves up",
            "upward",
            "upwards",
            "soaring",
            "soars",
            "climbing",
            "takes off",
        ),
        ("升起", "上升", "往上", "向上", "飞上", "飘上", "升空", "起飞"),
    ),
    Concept(
        "motion",
        "fall",
        (
            "falling",
            "falls",
            "fall",
            "descending",
            "descends",
            "going down",
            "goes down",
            "dropping",
            "drops",
            "sinking",
            "sinks",
            "moving down",
            "moves down",
            "downward",
            "downwards",
            "landing",
            "lands",
        ),
        ("落下", "下落", "下降", "掉下", "坠落", "往下", "向下", "降落", "下沉"),
    ),
    Concept(
        "motion",
        "left",
        (
            "moving left",
            "moves left",
            "to the left",
            "drifting left",
            "drifts left",
            "flying left",
            "flies left",
            "leftward",
            "leftwards",
            "left",
            "sailing left",
            "driving left",
            "swimming left",
        ),
        ("向左", "往左", "左移", "朝左", "从右到左", "左边"),
    ),
    Concept(
        "motion",
        "right",
        (
            "moving right",
            "moves right",
            "to the right",
            "drifting right",
            "drifts right",
            "flying right",
            "flies right",
            "rightward",
            "rightwards",
            "right",
            "sailing right",
            "driving right",
            "swimming right",
        ),
        ("向右", "往右", "右移", "朝右", "从左到右", "右边"),
    ),
    Concept(
        "motion",
        "bounce",
        ("bouncing", "bounces", "bounce", "hopping", "hops", "jumping", "jumps", "jump", "up and down"),
        ("弹跳", "跳跃", "蹦跳", "跳动", "弹起", "上下跳", "跳"),
    ),
    Concept(
        "motion",
        "hover",
        (
            "hovering",
            "hovers",
            "hover",
            "still",
            "standing still",
            "resting",
            "rests",
            "motionless",
            "floating in place",
            "stays",
            "staying",
            "waiting",
            "not moving",
        ),
        ("静止", "悬停", "停留", "不动", "停在", "悬浮"),
    ),
    Concept(
        "scene",
        "sea",
        ("sea", "ocean", "water", "waves", "lake", "seaside"),
        ("大海", "海面", "海上", "海洋", "海边", "海", "湖面", "水面"),
    ),
    Concept(
        "scene",
        "meadow",
        ("meadow", "grass", "field", "hills", "grassland", "countryside", "hill", "park"),
        ("草地", "草原", "田野", "山坡", "原野", "公园", "草坪"),
    ),
    Concept("scene", "desert", ("desert", "dunes", "sand", "dune", "sahara"), ("沙漠", "沙丘", "沙地", "戈壁")),
    Concept(
        "scene",
        "snow",
        ("snow", "snowy mountains", "mountains", "mountain", "winter", "ice", "snowfield", "arctic"),
        ("雪地", "雪山", "冰雪", "雪原", "冬天", "高山", "雪"),
    ),
    Concept(
        "scene",
        "night",
        ("night", "night sky", "starry sky", "starry night", "moonlight", "moon", "midnight", "space"),
        ("夜空", "夜晚", "黑夜", "星空", "月光", "夜里", "深夜", "太空", "夜"),
    ),
    Concept(
        "scene",
        "sunset",
        ("sunset", "dusk", "evening", "sundown", "sunrise", "dawn", "twilight"),
        ("日落", "夕阳", "黄昏", "傍晚", "晚霞", "日出", "黎明"),
    ),
    Concept("subject", "umbrella", ("umbrella", "umbrellas", "parasol"), ("雨伞", "伞", "阳伞")),
    Concept("subject", "mushroom", ("mushroom", "mushrooms", "toadstool"), ("蘑菇", "小蘑菇")),
    Concept("colour", "brown", ("brown", "chocolate", "chestnut"), ("棕色", "褐色", "棕", "咖啡色")),
    Concept("colour", "turquoise", ("turquoise", "cyan", "teal", "aqua"), ("青色", "青绿色", "青绿", "蓝绿色")),
    Concept("colour", "grey", ("grey", "gray", "silver"), ("灰色", "银色", "灰", "银灰")),
    Concept("colour", "black", ("black", "jet black", "ebony"), ("黑色", "黑", "漆黑")),
    Concept(
        "motion",
        "throw",
        ("thrown", "is thrown", "tossed", "flying in an arc", "flies in an arc", "in an arc", "leaping", "leaps"),
        ("抛出", "被抛", "扔出", "抛物线", "跃过", "飞跃"),
    ),
    Concept(
        "motion",
        "swing",
        ("swinging", "swings", "swing", "swaying", "sways", "back and forth", "side to side", "like a pendulum"),
        ("摇摆", "摆动", "摇晃", "左右摇摆", "来回摆动", "荡来荡去"),
    ),
    Concept(
        "motion",
        "circle",
        ("circling", "circles", "orbiting", "orbits", "in a circle", "in circles", "round and round"),
        ("盘旋", "绕圈", "转圈", "环绕", "兜圈", "绕着圈"),
    ),
    Concept(
        "motion",
        "zigzag",
        ("zigzagging", "zigzags", "zigzag", "zig zag", "weaving", "weaves"),
        ("之字形", "曲折前进", "蛇行", "锯齿形", "曲折"),
    ),
    Concept(
        "scene",
        "city",
        ("city", "town", "street", "skyline", "downtown", "buildings", "skyscrapers"),
        ("城市", "街道", "都市", "大街", "高楼", "市区"),
    ),
    Concept(
        "scene",
        "forest",
        ("forest", "woods", "woodland", "jungle", "trees", "pine forest"),
        ("森林", "树林", "丛林", "林间", "松林"),
    ),
    Concept(
        "scene",
        "beach",
        ("beach", "sandy beach", "shore", "coast", "island"),
        ("海滩", "沙滩", "海岸", "海岛"),
    ),
    Concept(
        "scene",
        "underwater",
        ("underwater", "under water", "under the sea", "deep sea", "seabed", "reef", "aquarium"),
        ("水下", "海底", "深海", "水底", "水中"),
    ),
    Concept(
        "subject",
        "airplane",
        ("airplane", "airplanes", "aeroplane", "plane", "planes", "aircraft", "jet plane"),
        ("飞机", "客机"),
    ),
    Concept(
        "subject",
        "bird",
        ("bird", "birds", "pigeon", "dove", "sparrow", "seagull"),
        ("小鸟", "鸟", "鸽子", "海鸥", "麻雀"),
    ),
    Concept("subject", "butterfly", ("butterfly", "butterflies", "moth"), ("蝴蝶", "飞蛾")),
    Concept("subject", "cat", ("cat", "cats", "kitten", "kitty"), ("小猫", "猫咪", "猫")),
    Concept("subject", "dog", ("dog", "dogs", "puppy", "doggy"), ("小狗", "狗狗", "狗")),
    Concept("subject", "flower", ("flower", "flowers", "daisy", "blossom"), ("花朵", "小花", "鲜花", "雏菊", "花")),
    Concept("subject", "duck", ("duck", "ducks", "duckling", "rubber duck"), ("鸭子", "小鸭", "小鸭子", "鸭")),
    Concept("subject", "robot", ("robot", "robots", "android"), ("机器人",)),
    Concept("subject", "turtle", ("turtle", "turtles", "tortoise", "sea turtle"), ("乌龟", "海龟", "龟")),
    Concept(
        "subject", "train", ("train", "trains", "steam train", "locomotive", "steam engine"), ("火车", "列车", "火车头")
    ),
    Concept(
        "scene",
        "volcano",
        ("volcano", "volcanoes", "volcanic island", "lava", "crater"),
        ("火山", "岩浆", "熔岩", "火山口"),
    ),
    Concept(
        "scene",
        "room",
        ("room", "living room", "bedroom", "kitchen", "indoors", "inside a house", "house", "office", "hall"),
        ("房间", "客厅", "卧室", "厨房", "室内", "屋里", "屋内", "家里", "办公室"),
    ),
    Concept(
        "scene",
        "farm",
        ("farm", "wheat field", "cornfield", "farmland", "barn", "village", "harvest"),
        ("农场", "麦田", "农田", "稻田", "村庄", "乡村", "谷仓"),
    ),
    Concept(
        "scene",
        "lunar",
        (
            "lunar surface",
            "surface of the moon",
            "moon surface",
            "on the moon",
            "mars",
            "alien planet",
            "another planet",
        ),
        ("月球", "月球表面", "月面", "火星", "外星球", "外星"),
    ),
)

BY_KIND: dict[Kind, tuple[Concept, ...]] = {kind: tuple(c for c in CONCEPTS if c.kind == kind) for kind in KINDS}
SUBJECTS: tuple[str, ...] = tuple(c.name for c in BY_KIND["subject"])
COLOURS: tuple[str, ...] = tuple(c.name for c in BY_KIND["colour"])
MOTIONS: tuple[str, ...] = tuple(c.name for c in BY_KIND["motion"])
SCENES: tuple[str, ...] = tuple(c.name for c in BY_KIND["scene"])
