"use strict";
// Everything works without this. With it, forms and links marked data-swap are answered without a reload.

const main = () => document.getElementById("main");

let underWay = null;

async function swap(url, options = {}) {
  underWay?.abort();
  const mine = (underWay = new AbortController());
  const before = document.activeElement?.id;
  main().setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(url, { ...options, headers: { Accept: "text/html" }, credentials: "same-origin", signal: mine.signal });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = page.getElementById("main");
    if (!next) throw new Error("no page");
    const problem = next.querySelector(".problem")?.textContent;
    if (!answer.ok && options.method && problem && !next.querySelector(".upload")) return say(problem);
    main().replaceWith(document.adoptNode(next));
    document.title = page.title;
    mark(page);
    if (options.keep !== true) settle(answer.url, options.method);
    focus(before);
  } catch {
    if (mine.signal.aborted) return;
    say("The service does not answer, so nothing was changed. Try again in a moment.");
  }
}

function mark(page) {
  const links = page.querySelectorAll(".top nav a");
  document.querySelectorAll(".top nav a").forEach((link, i) => {
    if (links[i]?.hasAttribute("aria-current")) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  });
}

function settle(url, method) {
  const moved = new URL(url).pathname !== location.pathname;
  if (url !== location.href) history[method && !moved ? "replaceState" : "pushState"](null, "", url);
  if (moved) window.scrollTo(0, 0);
}

function focus(before) {
  const told = document.querySelector("#told .told") && document.getElementById("told");
  const target = (before && document.getElementById(before)) || told || main();
  target.focus({ preventScroll: target === told || target === main() });
}

function say(text) {
  main().removeAttribute("aria-busy");
  const box = document.createElement("div"), line = document.createElement("p");
  box.className = "told";
  line.textContent = text;
  box.append(line);
  document.getElementById("told").replaceChildren(box);
  document.getElementById("told").focus();
}

function send(form, submitter) {
  const content = new FormData(form, submitter);
  if (form.method === "post") return swap(form.action, { method: "POST", body: content });
  const asked = new URLSearchParams([...content].filter(([, value]) => value !== ""));
  const query = asked.toString();
  return swap(form.action.split("?")[0] + (query ? "?" + query : ""));
}

function tooLarge(form) {
  const input = form.querySelector("input[type=file]");
  if (!input?.files[0] || input.files[0].size <= Number(input.dataset.most)) return false;
  const most = Math.floor(Number(input.dataset.most) / 2 ** 20);
  form.querySelector(".problem").textContent = `This file has more than ${most} MiB. Export fewer columns or rows.`;
  return true;
}

document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-swap]");
  if (!form) return;
  event.preventDefault();
  if (!tooLarge(form)) send(form, event.submitter);
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-swap]");
  if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  swap(link.href);
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-now]")) event.target.form.requestSubmit();
  if (event.target.matches(".upload input[type=file]") && event.target.files.length) event.target.form.requestSubmit();
});

document.addEventListener("keydown", (event) => {
  if (event.metaKey || event.ctrlKey || event.altKey || event.target.matches("input, select, textarea")) return;
  const link = [...document.querySelectorAll("a[data-key]")].find((one) => one.dataset.key === event.key);
  if (!link) return;
  event.preventDefault();
  link.click();
});

for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    const place = event.target.closest?.(".drop");
    if (kind !== "dragleave" && event.dataTransfer?.types.includes("Files")) event.preventDefault();
    if (!place) return;
    place.classList.toggle("over", kind === "dragover");
    if (kind !== "drop" || !event.dataTransfer.files.length) return;
    place.querySelector("input").files = event.dataTransfer.files;
    place.closest("form").requestSubmit();
  });
}

window.addEventListener("popstate", () => swap(location.href, { keep: true }));
