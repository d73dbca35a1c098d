// The answer about one video: verdict, three questions, timeline, findings, evidence.

import { blob } from "/web/api.js";
import { announce, h, save } from "/web/dom.js";
import { axisName, conclusionName, evidenceText, findingText, foundBy, ownCredentials, saidText, signalName, statusName, summaryText, t } from "/web/text.js";

const TONES = { verified_origin: "good", generated: "bad", manipulated: "bad", no_sign_of_generation: "calm", inconclusive: "care" };
const ORIGINS = { verified: "good", recovered: "good", tampered: "bad", untrusted: "care", no_credentials: "plain" };
const STATUS = { pass: "good", fail: "bad", warn: "care", info: "calm", not_applicable: "plain", measured: "calm", failed: "care" };
const BANDS = { high: "bad", low: "calm", abstain: "care", not_applicable: "plain" };

export function resultView(job, frames, film) {
  const verdict = job.result;
  const info = verdict.info;
  const rate = info.frame_rate.includes("/") ? info.frame_rate.split("/").reduce((a, b) => a / b) : Number(info.frame_rate);
  const facts = `${job.file.name} · ${info.width}×${info.height} · ${info.duration.toFixed(1)} s · ${Math.round(rate * 100) / 100} fps · ${info.codec}`;
  return [
    h("p", { class: "facts" }, facts),
    h("div", { class: `verdict ${tone(verdict)}` }, h("h1", {}, headline(verdict)), h("p", {}, summaryText(verdict))),
    h("div", { class: "cards" }, originCard(verdict.provenance), changeCard(verdict.provenance), madeCard(verdict.generated), faceCard(verdict.face_manipulated)),
    h("h2", {}, t("timeline")),
    timeline(verdict, frames, film),
    h("h2", {}, t("provenance")),
    h("ul", { class: "list" }, verdict.provenance.findings.map((f) => line(axisName(f.axis), findingText(f), null, STATUS[f.status], statusName(f.status)))),
    h("h2", {}, t("signalsTitle")),
    h("ul", { class: "list" }, verdict.evidence.map((e) => evidence(e, verdict))),
    h("p", { class: "note" }, t("weights")),
    actions(job),
  ];
}

// A file that was changed after it was signed is news before any forensic opinion.
const tampered = (verdict) => verdict.provenance.conclusion === "tampered";
const tone = (verdict) => (tampered(verdict) ? "bad" : TONES[verdict.conclusion]);
const headline = (verdict) => conclusionName(tampered(verdict) ? "tampered" : verdict.provenance.conclusion === "recovered" && verdict.conclusion === "verified_origin" ? "recovered" : verdict.conclusion);

function card(question, answer, toneName, ...more) {
  return h("section", { class: `card ${toneName}` }, h("h2", { class: "small" }, question), h("div", {}, h("p", { class: "answer" }, answer), more));
}

function originCard(provenance) {
  const manifest = provenance.manifest;
  const text = !manifest ? t("noManifest")
    : provenance.conclusion === "tampered" ? t("signedElse", manifest.signer)
      : manifest.signed_at ? t("signedOn", manifest.signer, manifest.signed_at.slice(0, 10)) : t("signedBy", manifest.signer);
  const source = provenance.conclusion !== "tampered" && manifest && manifest.digital_source_type && manifest.digital_source_type.endsWith("trainedAlgorithmicMedia");
  const known = provenance.conclusion === "recovered" ? foundBy(provenance) : provenance.conclusion;
  return card(t("whereFrom"), t(`origin_${known}`), known === "looks" ? "care" : ORIGINS[provenance.conclusion], h("p", {}, text), source ? h("p", {}, t("saysGenerated", manifest.software || manifest.claim_generator)) : null);
}

function changeCard(provenance) {
  const state = { verified: "intact", untrusted: "intact", tampered: "changed", recovered: ownCredentials(provenance), no_credentials: "unknown" }[provenance.conclusion];
  return card(t("wasChanged"), t(`change_${state}`), { intact: "good", changed: "bad", unknown: "plain" }[state] ?? "care", h("p", {}, t(`change_${state}_text`)));
}

function madeCard(question) {
  if (question.probability === null) return card(t("isGenerated"), t("notAnswered"), "plain", h("p", {}, t("noSignal")));
  const needle = h("div", { class: "needle" });
  needle.style.left = `${100 * question.probability}%`;
  const scale = h("div", { class: "scale", role: "img", "aria-label": t("scaleLabel", likely(question.probability)) }, h("div", { class: "track" }, needle), h("div", { class: "ends" }, h("span", {}, t("against")), h("span", {}, t("for"))));
  return card(t("isGenerated"), t(`band_${question.band}`), BANDS[question.band], scale, h("p", {}, t("probability", likely(question.probability))));
}

function faceCard(question) {
  if (question.probability === null) return card(t("isFaceChanged"), t("notAnswered"), "plain", h("p", {}, worded(saidText([question.said], question.note))));
  return card(t("isFaceChanged"), t(`band_${question.band}`), BANDS[question.band], h("p", {}, t("probability", likely(question.probability))));
}

function timeline(verdict, frames, film) {
  if (!frames.length) return h("p", { class: "note" }, t("noFrames"));
  const scored = verdict.evidence.find((item) => item.segments.length === frames.length);
  const scores = frames.map((_, index) => (scored ? scored.segments[index].llr : null));
  const urls = frames.map((frame) => URL.createObjectURL(frame.image));
  const player = film ? h("video", { src: URL.createObjectURL(film), controls: true, muted: true, playsinline: true, preload: "auto", "aria-label": t("player") }) : null;
  const still = h("img", { src: urls[0], alt: "" });
  const reading = h("p", { class: "reading" });
  const bars = frames.map((frame, index) => bar(frame, scores[index], index, () => select(index)));
  const images = urls.map((src, index) => {
    const image = h("img", { src, alt: "", title: seconds(frames[index].time) });
    image.style.setProperty("--heat", heat(scores[index]));
    image.addEventListener("click", () => select(index));
    return image;
  });
  let present = 0;

  function select(index) {
    present = index;
    bars.forEach((button, at) => { button.setAttribute("aria-pressed", String(at === index)); button.tabIndex = at === index ? 0 : -1; });
    still.src = urls[index];
    still.alt = t("frameAlt", seconds(frames[index].time));
    if (player) player.currentTime = frames[index].time;
    reading.replaceChildren(h("strong", {}, seconds(frames[index].time)), h("span", {}, lean(scores[index])));
  }

  const chart = h("div", { class: "chart", role: "group", "aria-label": t("chartLabel") }, bars);
  chart.addEventListener("keydown", (event) => {
    const to = { ArrowRight: present + 1, ArrowLeft: present - 1, Home: 0, End: frames.length - 1 }[event.key];
    if (to === undefined || to < 0 || to >= frames.length) return;
    event.preventDefault();
    select(to);
    bars[to].focus();
    announce(bars[to].getAttribute("aria-label"));
  });
  const strongest = scored ? scores.reduce((best, score, at) => (Math.abs(score) > Math.abs(scores[best]) ? at : best), 0) : 0;
  select(strongest);
  const legend = scored
    ? h("p", { class: "legend" }, h("span", {}, h("b", { class: "for" }), t("legendFor")), h("span", {}, h("b", { class: "against" }), t("legendAgainst")))
    : h("p", { class: "legend" }, t("notScored"));
  return h("div", { class: "stage" },
    h("figure", { class: "big" }, player || still),
    h("div", { class: "told" }, reading, chart, h("div", { class: "axis" }, h("span", {}, "0 s"), h("span", {}, seconds(verdict.info.duration))), legend, h("div", { class: "film" }, images)));
}

function bar(frame, score, index, onclick) {
  const mark = h("i", { class: score === null ? "none" : score >= 0 ? "for" : "against" });
  if (score !== null) mark.style.height = `${Math.min(Math.abs(score) / 5, 1) * 50}%`;
  return h("button", { type: "button", "aria-pressed": "false", "aria-label": `${seconds(frame.time)}: ${lean(score)}`, onclick }, mark);
}

// Evidence of this kind never makes certain, and two digits must not look as if it did.
const likely = (p) => (p > 0.99 ? "> 0.99" : p < 0.01 ? "< 0.01" : p.toFixed(2));
const seconds = (time) => `${time.toFixed(1)} s`;
const signed = (value, digits = 1) => Math.abs(value) < 0.05 ? "0" : `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;

function lean(score) {
  if (score === null) return t("leanNone");
  if (Math.abs(score) < 0.5) return t("leanNeither", signed(score));
  return t(score > 0 ? "leanFor" : "leanAgainst", signed(score));
}

function heat(score) {
  if (score === null) return "transparent";
  const strength = Math.round(100 * Math.min(Math.abs(score) / 4, 1));
  return `color-mix(in srgb, var(--${score > 0 ? "for" : "against"}) ${strength}%, var(--line))`;
}

// English that stays within another language is marked as such.
const worded = (text) => (text.english ? h("span", { lang: "en" }, text.text) : text.text);

function line(what, text, small, toneName, chip) {
  return h("li", {}, h("span", { class: "what" }, what), h("span", { class: "text" }, worded(text), small ? h("small", {}, small) : null), h("span", { class: `chip ${toneName}` }, chip));
}

function evidence(item, verdict) {
  // For parts of clips, which have no weight, the threshold was chosen and no rate measured.
  const rates = item.error_rates && item.llr !== null ? t("rates", signed(item.error_rates.threshold), (100 * item.error_rates.false_positive_rate).toFixed(1), Math.round(100 * item.error_rates.true_positive_rate)) : null;
  const chip = item.status === "measured" ? (item.llr === null ? t("noWeight") : signed(item.llr)) : item.status === "not_applicable" ? t("notUsed") : statusName(item.status);
  const toneName = item.status !== "measured" ? STATUS[item.status] : item.llr > 0.5 ? "bad" : item.llr < -0.5 ? "calm" : "plain";
  return line(signalName(item.signal), evidenceText(item, verdict), rates, toneName, chip);
}

function actions(job) {
  const copy = h("button", { type: "button", onclick: async () => { await navigator.clipboard.writeText(location.href); copy.textContent = t("copied"); announce(t("copied")); } }, t("copyLink"));
  const report = h("button", { type: "button", onclick: async () => save(await blob(`/v1/screenings/${job.id}/report`), `${job.file.name}.report.html`) }, t("saveReport"));
  const data = h("button", { type: "button", onclick: () => save(new Blob([JSON.stringify(job, null, 2)], { type: "application/json" }), `${job.file.name}.json`) }, t("saveData"));
  return h("p", { class: "actions" }, h("a", { class: "button", href: "#/" }, t("another")), report, data, copy);
}
