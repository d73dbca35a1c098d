// The page: which view is shown, in which language, and with which key.

import { Fault, getKey, setKey } from "/web/api.js";
import { announce, h, show } from "/web/dom.js";
import { examineView, screeningView } from "/web/examine.js";
import { generateView } from "/web/generate.js";
import { language, setLanguage, t } from "/web/text.js";

const $ = (id) => document.getElementById(id);

const routes = [
  [/^#\/screenings\/(\w+)$/, (id) => screeningView(id), "examine"],
  [/^#\/generate(?:\/(\w+))?$/, (id) => generateView(id), "generate"],
  [/^.*$/, () => examineView(), "examine"],
];

export async function render() {
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", t(element.dataset.label));
  document.documentElement.lang = language() === "zh" ? "zh-Hans" : "en";
  $("language").textContent = language() === "zh" ? "English" : "中文";
  $("language").lang = language() === "zh" ? "en" : "zh-Hans";
  $("key").hidden = !getKey();
  const [pattern, view, tab] = routes.find(([candidate]) => candidate.test(location.hash || "#/"));
  for (const name of ["examine", "generate"]) {
    if (name === tab) $(`tab-${name}`).setAttribute("aria-current", "page");
    else $(`tab-${name}`).removeAttribute("aria-current");
  }
  document.title = `${t(tab === "generate" ? "tabGenerate" : "tabExamine")} · Countermark`;
  try {
    await view(...(location.hash.match(pattern) || []).slice(1));
  } catch (error) {
    fail(error);
  }
}

export function fail(error) {
  if (error instanceof Fault && error.status === 401) {
    askForKey();
    return;
  }
  const gone = error instanceof Fault && error.status === 404;
  show(h("h1", {}, t(gone ? "goneTitle" : "failedTitle")), h("div", { class: "alert bad", role: "alert" }, h("p", {}, gone ? t("gone") : error.message)),
    h("p", { class: "actions" }, h("a", { class: "button", href: "#/" }, t("startAgain"))));
  announce(error.message);
}

function askForKey() {
  $("key-input").value = getKey();
  $("key-dialog").showModal();
}

$("key").addEventListener("click", askForKey);
$("key-dialog").addEventListener("close", () => {
  if ($("key-dialog").returnValue === "save") setKey($("key-input").value.trim());
  if ($("key-dialog").returnValue === "save" || getKey()) render();
});
$("language").addEventListener("click", () => {
  setLanguage(language() === "zh" ? "en" : "zh");
  render();
});
window.addEventListener("hashchange", () => { render().then(() => $("main").focus({ preventScroll: true })); window.scrollTo(0, 0); });
document.addEventListener("countermark-fault", (event) => fail(event.detail));
render();
