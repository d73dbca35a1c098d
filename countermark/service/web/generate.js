// The second tab: a prompt becomes a sealed video, with live progress.

import { Fault, blob, follow, get, post } from "/web/api.js";
import { announce, h, save, show } from "/web/dom.js";
import { examineVideo } from "/web/examine.js";
import { language, stepName, t } from "/web/text.js";

const IDEAS = {
  en: ["a red balloon rising over the sea", "a yellow star falling in the night sky", "a green ball bouncing on a meadow"],
  zh: ["一只红色气球在海面上升起", "一颗黄色的星星从夜空中落下", "一个绿色的皮球在草地上弹跳"],
};

export async function generateView(id) {
  const outcome = h("div", {});
  const job = id ? await get(`/v1/videos/${id}`) : null;
  show(h("h1", {}, t("generateTitle")), h("p", { class: "lead" }, t("generateLead")), form(outcome, job ? job.prompt : ""), outcome, await gallery(id));
  if (job) await watch(job, outcome);
}

function form(outcome, text) {
  const prompt = h("textarea", { id: "prompt", required: true, maxlength: "4000", rows: "3" }, text);
  const seed = h("input", { id: "seed", type: "number", min: "0", max: "2147483647", value: "0" });
  const steps = h("input", { id: "steps", type: "number", min: "1", max: "200", value: "20" });
  const ideas = IDEAS[language()].map((idea) => h("button", { type: "button", onclick: () => { prompt.value = idea; prompt.focus(); } }, idea));
  const submit = h("button", { class: "main" }, t("generate"));
  return h("form", { class: "ask", onsubmit: async (event) => {
    event.preventDefault();
    submit.disabled = true;
    try {
      const job = await post("/v1/videos", { prompt: prompt.value, seed: Number(seed.value), steps: Number(steps.value) });
      location.hash = `#/generate/${job.id}`;
    } catch (error) {
      if (error.status === 401) document.dispatchEvent(new CustomEvent("countermark-fault", { detail: error }));
      else outcome.replaceChildren(refusal(error));
    } finally {
      submit.disabled = false;
    }
  } },
  h("label", { for: "prompt" }, t("promptLabel")), prompt,
  h("div", { class: "ideas", role: "group", "aria-label": t("ideas") }, ideas),
  h("details", {}, h("summary", {}, t("more")), h("div", { class: "pair" }, h("div", {}, h("label", { for: "seed" }, t("seed")), seed), h("div", {}, h("label", { for: "steps" }, t("steps")), steps))),
  h("p", { class: "actions" }, submit));
}

function refusal(error) {
  announce(error.message);
  const blocked = error.code === "moderation_blocked";
  const decision = error.decision;
  return h("div", { class: "alert bad", role: "alert" }, h("strong", {}, t(blocked ? "refused" : "failedTitle")), h("p", {}, error.message),
    decision && decision.support_message ? h("p", {}, decision.support_message) : null,
    decision ? h("p", {}, t("policyLine", decision.category || "–", decision.policy_version)) : null);
}

const here = (id) => location.hash === `#/generate/${id}`;

async function watch(begun, outcome) {
  let job = begun;
  const id = job.id;
  if (job.status === "queued" || job.status === "in_progress") {
    const bar = h("progress", { max: 100, "aria-label": t("progress") });
    const line = h("p", { role: "status" }, t("queued"));
    const preview = h("img", { class: "preview", alt: t("preview"), hidden: true });
    const stop = h("button", { type: "button", onclick: () => post(`/v1/jobs/${id}/cancel`, {}).catch(() => {}) }, t("cancel"));
    outcome.replaceChildren(h("h2", {}, job.prompt), h("div", { class: "working" }, preview, bar, line, h("p", { class: "actions" }, stop)));
    job = await follow(id, (now) => {
      bar.value = now.progress;
      preview.hidden = !now.preview;
      if (now.preview) preview.src = now.preview;
      line.textContent = now.status === "queued" ? t("queued") : t("percent", now.progress, phase(now.progress));
    });
  }
  if (!here(id)) return;
  if (job.status === "failed") {
    outcome.replaceChildren(h("h2", {}, job.prompt), refusal(new Fault(422, job.error)));
    return;
  }
  const content = await blob(`/v1/videos/${id}/content`);
  if (!here(id)) return;
  outcome.replaceChildren(...finished(job, content));
  announce(t("done"));
}

// OpenAI's video object has no name for the step, but the share done tells it.
function phase(percent) {
  if (percent < 5) return stepName("policy");
  if (percent < 80) return stepName("sample");
  if (percent < 85) return stepName("watermark");
  return stepName(percent < 91 ? "sign" : "register");
}

function finished(job, content) {
  const seal = job.countermark;
  const rows = [
    [t("videoId"), h("code", {}, seal.video_id)], [t("manifest"), h("code", {}, seal.manifest_id)],
    seal.watermark_psnr ? [t("watermark"), t("psnr", seal.watermark_psnr.toFixed(1))] : null,
    [t("signer"), seal.signer], ["SHA-256", h("code", {}, seal.sha256)],
    [t("size"), `${seal.width}×${seal.height} · ${seal.duration.toFixed(2)} s · ${Math.round(seal.size_bytes / 1000)} kB`],
  ].filter(Boolean);
  const film = h("video", { src: URL.createObjectURL(content), controls: true, loop: true, muted: true, autoplay: true, playsinline: true, "aria-label": job.prompt });
  return [h("h2", {}, job.prompt), h("div", { class: "result" }, h("figure", { class: "big" }, film), h("div", {},
    h("dl", { class: "record" }, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    job.notices.map((notice) => h("p", { class: "note", lang: "en" }, notice)),
    h("p", { class: "actions" },
      h("button", { type: "button", class: "main", onclick: () => save(content, `${job.id}.mp4`) }, t("download")),
      h("button", { type: "button", onclick: () => examineVideo(job.id) }, t("examineIt")))))];
}

async function gallery(present) {
  const page = await get("/v1/videos?limit=12");
  const videos = page.data.filter((video) => video.id !== present && video.status !== "failed");
  if (!videos.length) return null;
  const items = await Promise.all(videos.map(async (video) => {
    const image = video.status === "completed" ? await blob(`/v1/videos/${video.id}/content?variant=thumbnail`).catch(() => null) : null;
    const picture = image ? h("img", { src: URL.createObjectURL(image), alt: "" }) : h("div", { class: "blank" }, `${video.progress} %`);
    return h("li", {}, h("a", { href: `#/generate/${video.id}` }, picture, h("span", {}, video.prompt)));
  }));
  return h("section", {}, h("h2", {}, t("recent")), h("ul", { class: "gallery" }, items));
}
