// All words of the page, in English and Chinese. What the service says in English about a finding is told in Chinese
// by its code; where a code has no words here, the English stays and is marked as such.

import { SENTENCES } from "/web/sentences.js"; // the detector's own, as in its reports
import { EN, ZH, ZH_FINDINGS } from "/web/words.js";

const STORED = "countermark-language";
let current = localStorage.getItem(STORED) || (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");

export const language = () => current;
export function setLanguage(name) {
  current = name;
  localStorage.setItem(STORED, name);
}

export function t(name, ...values) {
  const text = (current === "zh" ? ZH : EN)[name] ?? EN[name] ?? name;
  return text.replace(/\{(\d)\}/g, (_, at) => values[at]);
}

const named = (group, name) => {
  const words = (current === "zh" ? ZH : EN)[group];
  return words[name] ?? name.replaceAll("_", " ");
};

export const conclusionName = (name) => named("conclusions", name);
export const axisName = (name) => named("axes", name);
export const statusName = (name) => named("statuses", name);
export const signalName = (name) => named("signals", name);
export const stepName = (name) => (name ? named("stepNames", name.split(" ")[0] === "sample" ? "sample" : name) : t("queued"));

export function findingText(finding) {
  if (current !== "zh") return { text: finding.message };
  const text = ZH_FINDINGS[finding.code] ?? ZH_FINDINGS[Object.keys(ZH_FINDINGS).find((code) => code.endsWith("*") && finding.code.startsWith(code.slice(0, -1)))];
  return text ? { text } : { text: finding.message, english: true };
}

export function evidenceText(item, verdict) {
  if (current === "zh" && (item.signal === "credentials" || item.signal === "watermark")) {
    const axis = item.signal === "watermark" ? "watermark" : null;
    const finding = axis && verdict.provenance.findings.find((candidate) => candidate.axis === axis);
    return axis ? (finding ? findingText(finding) : { text: item.explanation, english: true }) : { text: provenanceSummary(verdict.provenance) };
  }
  return saidText([...item.details, item.said], item.explanation);
}

// Sentences of the detector, which tells each by code and facts beside its English words.
export function saidText(said, english) {
  if (current !== "zh") return { text: english };
  if (!said.every(({ code }) => code in SENTENCES)) return { text: english, english: true };
  return { text: said.map(({ code, facts }) => SENTENCES[code].replace(/\{(\w+)\}/g, (_, name) => facts[name])).join("") };
}

export function summaryText(verdict) {
  const provenance = verdict.provenance;
  const tampered = provenance.conclusion === "tampered";
  if (current !== "zh") return tampered && verdict.summary !== provenance.summary ? `${provenance.summary} ${verdict.summary}` : verdict.summary;
  if (verdict.conclusion === "verified_origin") return provenanceSummary(provenance);
  const { text } = "explanation" in verdict.said.facts ? { text: t("saysGeneratedItself") } : saidText([verdict.said], verdict.summary);
  return tampered ? `${provenanceSummary(provenance)}${text}` : text;
}

// What led to credentials that were recovered: words, in `origin_` and `led_`.
export function foundBy({ similarity, findings }) {
  if (similarity !== null) return "looks";
  return findings.some(({ code }) => code === "countermark.recovery.noise") ? "noise" : "watermark";
}

// What had become of the file's own credentials where others were recovered: words, in `change_` and `own_`.
export function ownCredentials({ findings }) {
  const failed = (wanted) => findings.some(({ axis, status }) => axis === wanted && status === "fail");
  return failed("trust") ? "foreign" : failed("time") ? "outdated" : "stripped";
}

function provenanceSummary(provenance) {
  const manifest = provenance.manifest;
  const source = manifest?.digital_source_type?.endsWith("trainedAlgorithmicMedia");
  const statement = source ? "，凭证声明该视频由 AI 模型生成" : manifest?.actions.includes("c2pa.opened") ? "，凭证说明这是对已有视频的封存，未说明其制作方式" : "";
  const told = [manifest?.signer ?? "", provenance.recovered?.created_at.slice(0, 10) ?? "", t(`own_${ownCredentials(provenance)}`), t(`led_${foundBy(provenance)}`)];
  const words = ZH.provenances[provenance.conclusion].replace(/\{(\d)\}/g, (_, at) => told[at]);
  return `${words}${["verified", "recovered"].includes(provenance.conclusion) ? statement : ""}。`;
}
