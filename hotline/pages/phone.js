// The browser phone: plays what the line sends, sends keys, and shows what is said. Keys are never shown while secret.
"use strict";
const $ = (id) => document.getElementById(id);
let socket = null, audio = null, turn = 0, listening = null, recording = null;
const AUDIBLE = 0.01; // of full scale; softer is silence

for (const key of "123456789*0#") {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = key;
  button.dataset.key = key;
  button.addEventListener("click", () => press(key));
  $("keys").append(button);
}
document.addEventListener("keydown", (event) => {
  if (!event.ctrlKey && !event.metaKey && socket && /^[0-9*#]$/.test(event.key)) {
    event.preventDefault();
    press(event.key);
  }
});
$("setup").addEventListener("submit", (event) => event.preventDefault());
$("call").addEventListener("click", () => (socket ? hangUp() : dial()));

fetch("/phone/people").then((answer) => (answer.ok ? answer.json() : { people: [] })).then(({ people }) => {
  for (const person of people) {
    const option = document.createElement("option");
    option.value = person.phone;
    option.label = `${person.name} ${person.bound ? "已绑定" : "未绑定"}`;
    $("people").append(option);
  }
  const show = () => {
    const person = people.find((each) => each.phone === $("caller").value);
    $("hint").textContent = person ? `${person.name} 账号 ${person.account} 密码 ${person.pin}` : "";
  };
  $("caller").addEventListener("input", show);
  if (people.length) { $("caller").value = people[0].phone; show(); }
}).catch(() => {});

function dial() {
  $("log").replaceChildren();
  status("正在接通……");
  $("call").textContent = "挂断";
  $("call").classList.add("busy");
  audio = new Audio();
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}/phone/call`);
  socket.addEventListener("open", () => send({ caller: $("caller").value }));
  socket.addEventListener("message", (event) => take(JSON.parse(event.data)));
  socket.addEventListener("close", ended);
}

function take(message) {
  if (message.transfer) { note(`〔转接到 ${message.transfer}〕`); status("已转接人工"); return; }
  if (message.over) { hangUp(); return; }
  turn = message.n;
  listening = message.listen;
  status(message.listen ? (message.listen.secret ? "请输入（不会显示）" : "请按键") : "请听");
  if (message.record) record(message.n, message.record);
  else play(message.n, message.say, 0);
}

// After a beep, send what the microphone hears until #, silence or the time is up; without a microphone, say so.
async function record(number, wanted) {
  let stream = null;
  const context = new AudioContext();
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    await context.audioWorklet.addModule("/microphone.js");
  } catch (fault) {
    note("〔没有可用的麦克风，无法录音〕");
    context.close();
    send({ recorded: number, rate: 0 });
    return;
  }
  await beep(context);
  if (!socket || number !== turn) { finish(); return; }
  status("请讲话，讲完按 #");
  const microphone = new AudioWorkletNode(context, "microphone");
  context.createMediaStreamSource(stream).connect(microphone);
  let seconds = 0, silent = 0;
  function finish() {
    if (recording !== finish && recording) return;
    recording = null;
    stream.getTracks().forEach((track) => track.stop());
    send({ recorded: number, rate: context.sampleRate });
    context.close();
  }
  recording = finish;
  microphone.port.onmessage = ({ data }) => {
    if (recording !== finish || !socket || socket.readyState !== 1) return;
    socket.send(data);
    const tenth = data.length / context.sampleRate;
    const loud = data.some((sample) => Math.abs(sample) > AUDIBLE * 32767);
    seconds += tenth;
    silent = loud ? 0 : silent + tenth;
    if (seconds >= wanted.most || silent >= wanted.silence) finish();
  };
}

function beep(context) {
  return new Promise((done) => {
    const tone = context.createOscillator(), volume = context.createGain();
    volume.gain.value = 0.2;
    tone.frequency.value = 1000;
    tone.connect(volume).connect(context.destination);
    tone.onended = done;
    tone.start();
    tone.stop(context.currentTime + 0.3);
  });
}

function play(number, prompts, at) {
  if (number !== turn || !socket) return;
  if (at >= prompts.length) { send({ played: number }); return; }
  const line = note(prompts[at].text);
  line.classList.add("now");
  audio.src = prompts[at].url;
  audio.dataset.firm = prompts[at].interruptible ? "" : "1";
  const next = () => { line.classList.remove("now"); play(number, prompts, at + 1); };
  audio.onended = next;
  audio.onerror = next;
  audio.play().catch(next);
}

function press(key) {
  if (!socket) return;
  const button = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  button.classList.add("down");
  setTimeout(() => button.classList.remove("down"), 120);
  noteKey(listening && listening.secret ? "•" : key);
  if (recording) { if (key === "#") recording(); return; }
  if (!audio.dataset.firm) { audio.pause(); audio.onended = audio.onerror = null; }
  send({ key });
}

function hangUp() { if (socket) socket.close(); }

function ended() {
  if (recording) recording();
  socket = null;
  turn = 0;
  if (audio) { audio.onended = audio.onerror = null; audio.pause(); }
  status("通话已结束");
  $("call").textContent = "拨打";
  $("call").classList.remove("busy");
}

function noteKey(shown) {
  const last = $("log").lastElementChild;
  if (last && last.classList.contains("key")) last.textContent += shown;
  else note(shown, "key");
}

function note(text, kind) {
  const line = document.createElement("p");
  line.textContent = text;
  if (kind) line.classList.add(kind);
  $("log").append(line);
  $("log").scrollTop = $("log").scrollHeight;
  return line;
}

function send(message) { if (socket && socket.readyState === 1) socket.send(JSON.stringify(message)); }
function status(text) { $("status").textContent = text; }
