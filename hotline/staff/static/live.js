// Live parts of the staff pages: [data-live="topics"] elements are fetched again and put in place when something changed.
"use strict";
const parts = () => [...document.querySelectorAll("[data-live]")];
const topics = [...new Set(parts().flatMap((part) => part.dataset.live.split(" ")))];
let fetching = false, wanted = false;

async function refresh() {
  if (fetching) { wanted = true; return; }
  fetching = true;
  try {
    const answer = await fetch(location.pathname + location.search, { headers: { "X-Live": "1" }, redirect: "error" });
    if (answer.status === 401) { location.reload(); return; }
    if (answer.ok) place(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch { /* the service is restarting: the stream tells when it is back */ }
  fetching = false;
  if (wanted) { wanted = false; refresh(); }
}

// A part in which somebody is typing or choosing stays as it is until they are done.
function place(fresh) {
  for (const part of parts()) {
    const next = fresh.getElementById(part.id);
    const busy = part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea, audio");
    if (!next || busy || next.innerHTML === part.innerHTML) continue;
    const focused = part.contains(document.activeElement) && document.activeElement.id;
    part.replaceChildren(...document.importNode(next, true).childNodes);
    if (focused) document.getElementById(focused)?.focus();
  }
  tick();
}

// Clocks that run between two changes: <time data-since="2026-03-02T10:00:00Z">
function tick() {
  for (const time of document.querySelectorAll("[data-since]")) {
    const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(time.dataset.since)) / 1000));
    time.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }
}

// The current page in the middle of a narrow navigation; scrollIntoView would also move where Tab begins.
const here = document.querySelector("nav [aria-current]");
if (here) here.parentElement.scrollLeft = here.offsetLeft - here.parentElement.offsetLeft - (here.parentElement.clientWidth - here.offsetWidth) / 2;

if (topics.length) {
  const light = document.getElementById("live");
  const stream = new EventSource(`/staff/live?topics=${topics.join(",")}`);
  let first = true;
  stream.addEventListener("open", () => { light.hidden = true; });
  stream.addEventListener("error", () => { light.hidden = false; });
  stream.addEventListener("message", () => { if (first) first = false; else refresh(); });
  setInterval(tick, 1000);
  tick();
}
