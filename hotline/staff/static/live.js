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

// A part in which somebody is typing or choosing stays as it is until they are done; what they chose and have not sent
// yet outlives a change, or the button beside it would send something else.
const FIELDS = "input:not([type=hidden]), select, textarea";
function place(fresh) {
  for (const part of parts()) {
    const next = fresh.getElementById(part.id);
    const busy = part.contains(document.activeElement) && document.activeElement.matches(`${FIELDS}, form button, audio`);
    if (!next || busy || next.innerHTML === part.innerHTML) continue;
    const focused = part.contains(document.activeElement) && document.activeElement.id;
    const chosen = new Map([...part.querySelectorAll(FIELDS)].filter(unsent).map((field) => [named(field), field]));
    part.replaceChildren(...document.importNode(next, true).childNodes);
    for (const field of part.querySelectorAll(FIELDS)) {
      const before = chosen.get(named(field));
      if (before) { field.value = before.value; field.checked = before.checked; }
    }
    if (focused) document.getElementById(focused)?.focus();
  }
  tick();
}

const named = (field) => `${field.form?.action} ${field.name}`;
function unsent(field) {
  if (field.type === "checkbox") return field.checked !== field.defaultChecked;
  if (field.type !== "select-one") return field.value !== field.defaultValue;
  return field.selectedIndex !== Math.max(0, [...field.options].findIndex((option) => option.defaultSelected));
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

// A page that nobody sees listens to nothing: a browser opens six connections to a place, and each stream keeps one.
const AGAIN_MS = 3000;
const light = document.getElementById("live");
let stream = null, first = !document.hidden; // what was loaded just now is not fetched again

function listen() {
  if (document.hidden || (stream && stream.readyState !== EventSource.CLOSED)) return;
  stream = new EventSource(`/staff/live?topics=${topics.join(",")}`);
  stream.addEventListener("open", () => { light.hidden = true; });
  stream.addEventListener("message", () => { if (first) first = false; else refresh(); });
  stream.addEventListener("error", (event) => {
    light.hidden = false;
    if (event.target.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    refresh(); // refused, by us or by a proxy before us: if the session is over, the page goes to the door
    setTimeout(listen, AGAIN_MS);
  });
}

if (topics.length) {
  listen();
  document.addEventListener("visibilitychange", () => { if (document.hidden) stream?.close(); else listen(); });
  setInterval(tick, 1000);
  tick();
}
