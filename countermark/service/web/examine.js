// The first tab: drop a video, follow the screening, show the answer.

import { Fault, blob, follow, get, post, upload } from "/web/api.js";
import { announce, h, show } from "/web/dom.js";
import { resultView } from "/web/result.js";
import { stepName, t } from "/web/text.js";

const local = new Map(); // videos of this session by screening, to play them beside the answer

export function examineView() {
  const input = h("input", { type: "file", accept: "video/*,.mp4,.mov,.mkv,.webm,.avi", class: "unseen", id: "file", onchange: () => start(input.files[0]) });
  const drop = h("label", { class: "drop", for: "file" }, h("img", { src: "/web/drop.svg", alt: "", width: "56", height: "56" }), h("strong", {}, t("drop")), h("span", {}, t("dropHint")), input);
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => { event.preventDefault(); start(event.dataTransfer.files[0]); });
  const three = ["Origin", "Change", "Made"].map((name) => h("section", {}, h("h2", { class: "small" }, t(`about${name}`)), h("p", {}, t(`about${name}Text`))));
  show(h("h1", {}, t("examineTitle")), h("p", { class: "lead" }, t("examineLead")), drop, h("div", { class: "three" }, three));
}

async function start(file) {
  if (!file) return;
  const { update } = working(t("uploading", file.name));
  try {
    const job = await upload("/v1/screenings?wait=0", file, (share) => update(share * 100, t("uploading", file.name)));
    local.set(job.id, file);
    location.hash = `#/screenings/${job.id}`;
  } catch (error) {
    refuse(error);
  }
}

export async function examineVideo(id) {
  const job = await post("/v1/screenings?wait=0", { video: id });
  location.hash = `#/screenings/${job.id}`;
}

export async function screeningView(id) {
  let job = await get(`/v1/screenings/${id}`);
  if (job.status === "queued" || job.status === "in_progress") {
    const { update } = working(t("queued"));
    job = await follow(id, (now) => here(id) && update(now.progress, now.status === "queued" ? t("queued") : stepName(now.step)));
  }
  if (!here(id)) return;
  if (job.status === "failed") {
    refuse(new Fault(422, job.error), job.file.name);
    return;
  }
  const frames = await Promise.all(job.frames.map(async (frame) => ({ ...frame, image: await blob(`/v1/screenings/${id}/frames/${frame.index}`) })));
  let film = local.get(id);
  if (!film && job.file.video) film = await blob(`/v1/videos/${job.file.video}/content`).catch(() => undefined);
  if (!here(id)) return;
  show(resultView(job, frames, film));
  announce(document.querySelector("h1").textContent);
}

const here = (id) => location.hash === `#/screenings/${id}`;

function working(text) {
  const bar = h("progress", { max: 100, "aria-label": t("progress") });
  const line = h("p", { role: "status" }, text);
  show(h("h1", {}, t("examining")), h("p", { class: "lead" }, t("examiningLead")), h("div", { class: "working" }, bar, line));
  return { update: (percent, words) => { bar.value = percent; line.textContent = words; } };
}

function refuse(error, name) {
  if (error.status === 401) {
    document.dispatchEvent(new CustomEvent("countermark-fault", { detail: error }));
    return;
  }
  const known = ["media", "media_limit", "too_large", "queue_full", "empty_file"].includes(error.code) ? t(`error_${error.code}`) : t("failedTitle");
  show(name ? h("p", { class: "facts" }, name) : null, h("h1", {}, t("cannotExamine")),
    h("div", { class: "alert bad", role: "alert" }, h("strong", {}, known), h("p", {}, error.message)),
    h("p", { class: "actions" }, h("a", { class: "button", href: "#/", onclick: () => location.hash === "#/" && examineView() }, t("another"))));
}
