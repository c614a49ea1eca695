// Hear a bulletin before it is on: what is typed goes to the service, and its sound is played here. Nothing is switched.
"use strict";
const button = document.getElementById("listen"), sound = document.getElementById("heard"), words = document.getElementById("text");
const faults = document.getElementById("faults");

function forget() {
  if (sound.src) URL.revokeObjectURL(sound.src);
  sound.removeAttribute("src");
  sound.hidden = true;
  faults.replaceChildren();
}

button.addEventListener("click", async (event) => {
  event.preventDefault();
  if (!words.reportValidity()) return;
  forget();
  button.disabled = true;
  try {
    const body = new URLSearchParams(new FormData(button.form));
    const answer = await fetch(button.formAction, { method: "POST", body, redirect: "error" });
    if (answer.status === 401) { location.reload(); return; }
    if (answer.ok) {
      sound.src = URL.createObjectURL(await answer.blob());
      sound.hidden = false;
      await sound.play();
    } else {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      faults.replaceChildren(...page.querySelectorAll(".notice.bad"));
    }
  } catch { /* the service is restarting, or the browser wants a click on the player itself */ }
  button.disabled = false;
});
words.addEventListener("input", forget); // what is heard is what is typed
