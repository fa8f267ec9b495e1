// The machine's own screen. The agent tells what is so (GET /api/stream); this page shows it and passes touches on.
// Everything about a visit lives in the one object `visit` and is thrown away when it ends.
import * as views from "/static/views.js";
import { WORDS } from "/static/words.js";

const SAME_PRESS_MS = 500; // EN 301 549 5.8: the same key twice in half a second is one press
const NEW_VIEW_MS = 300; // a double touch must not hit what has just appeared under the finger
const IDLE_S = 45;
const TICKET_S = 20;
const ASK_S = 15;
const CARD_S = 20; // the reader waits that long

const page = {
  view: document.getElementById("view"),
  home: document.getElementById("home"),
  elder: document.getElementById("elder"),
  still: document.getElementById("still"),
  say: document.getElementById("say"),
};

let agent = null; // the agent's last state; null while it does not answer
let visit = newVisit();
let drawn = "";
let drawnAt = 0;
let lastPress = { what: "", at: 0 };
let lastTouch = Date.now();

function newVisit() {
  return { key: crypto.randomUUID(), mode: "home", service: null, withCard: false, taken: null, problem: null, since: Date.now() };
}

function inJourney() {
  return agent !== null && !["idle", "reading_card"].includes(agent.view.kind);
}

// ---- drawing ----

function content() {
  if (agent === null) return views.unreachable();
  if (inJourney()) return views.journey(agent.view);
  switch (visit.mode) {
    case "how": return views.how(visit.service);
    case "card": return views.card();
    case "taking": return views.busy(WORDS.taking);
    case "starting": return views.busy(WORDS.starting);
    case "ticket": return views.ticket(visit.taken);
    case "refused": return views.refusal(visit.problem, visit.withCard);
    default: return views.home(agent);
  }
}

function draw() {
  const made = document.createElement("main");
  made.append(...content());
  const atHome = agent !== null && !inJourney() && visit.mode === "home";
  page.home.hidden = !["how", "refused", "ticket"].includes(visit.mode) || inJourney() || agent === null;
  if (made.innerHTML !== drawn) put(made, atHome);
  const notices = document.getElementById("notices");
  const news = agent === null ? [] : views.notices(agent);
  if (notices.textContent !== news.map((each) => each.textContent).join("")) notices.replaceChildren(...news);
  if (agent === null) return;
  const name = document.getElementById("name");
  name.replaceChildren(...views.both([agent.name.zh, agent.name.en]));
}

function put(made, atHome) {
  const first = drawn === "";
  const before = page.view.querySelector("h1")?.textContent;
  const focused = document.activeElement?.dataset?.press;
  drawn = made.innerHTML;
  page.view.replaceChildren(...made.childNodes);
  page.view.removeAttribute("aria-busy");
  const heading = page.view.querySelector("h1");
  if (heading.textContent === before) {
    // The same view with other content (a service ran out): the finger and the focus stay where they were.
    page.view.querySelector(`[data-press="${CSS.escape(focused || "")}"]`)?.focus();
    return;
  }
  drawnAt = performance.now();
  document.body.dataset.ready = "false";
  setTimeout(() => { document.body.dataset.ready = String(performance.now() - drawnAt >= NEW_VIEW_MS); }, NEW_VIEW_MS + 20);
  page.say.textContent = [...page.view.querySelectorAll("h1, p")].map((each) => each.textContent).join(". ");
  if (!first && !(atHome && !focused)) heading.focus({ preventScroll: true });
  page.view.scrollTop = 0;
}

// ---- a visit begins, goes on, ends ----

function go(mode, values = {}) {
  Object.assign(visit, { mode, since: Date.now() }, values);
  draw();
}

function endVisit() {
  visit = newVisit();
  setElder(false);
  if (page.still.open) page.still.close();
  draw();
}

function setElder(on) {
  document.body.classList.toggle("elder", on);
  page.elder.setAttribute("aria-pressed", String(on));
}

async function post(path, body) {
  const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const content = answer.status === 204 ? {} : await answer.json();
  if (!answer.ok) throw Object.assign(new Error(content.title), { problem: content });
  return content;
}

/** Do something for the visit at hand; what comes back after its end is for nobody. */
async function ask(path, body, then) {
  const mine = visit;
  try {
    const content = await post(path, body);
    if (mine === visit) then(content);
  } catch (error) {
    if (mine === visit) go("refused", { problem: error.problem || {} });
  }
}

function takeTicket(withCard) {
  go(withCard ? "card" : "taking", { withCard });
  const body = { service: visit.service.id, visit: visit.key, with_card: withCard };
  ask("/api/tickets", body, (taken) => go("ticket", { taken }));
}

const PRESSES = {
  home: () => endVisit(),
  stay: () => page.still.close(),
  elder: () => setElder(!document.body.classList.contains("elder")),
  card: () => takeTicket(true),
  plain: () => takeTicket(false),
  service: (id) => {
    const service = agent.services.find((each) => each.id === id);
    if (agent.cards) go("how", { service });
    else {
      visit.service = service;
      takeTicket(false);
    }
  },
  item: (item) => {
    go("starting");
    ask("/api/sessions", { item }, () => {});
  },
  answer: (option) => {
    page.view.querySelectorAll("button").forEach((each) => { each.disabled = true; });
    post("/api/answer", { option }).catch(() => { drawn = " "; draw(); });
  },
};

document.addEventListener("click", (event) => {
  const pressed = event.target.closest("[data-press]");
  if (!pressed || pressed.disabled) return;
  const what = pressed.dataset.press;
  const now = performance.now();
  if (what === lastPress.what && now - lastPress.at < SAME_PRESS_MS) return;
  if (page.view.contains(pressed) && now - drawnAt < NEW_VIEW_MS) return;
  lastPress = { what, at: now };
  const [verb, ...rest] = what.split(":");
  PRESSES[verb](rest.join(":"));
});

// ---- time: nobody is sent home unasked, and nobody's visit stays for the next ----

for (const kind of ["pointerdown", "keydown"]) {
  document.addEventListener(kind, () => { lastTouch = Date.now(); }, { capture: true });
}
page.still.addEventListener("cancel", (event) => event.preventDefault());

function patience() {
  const slower = document.body.classList.contains("elder") ? 2 : 1;
  const paper = visit.mode === "ticket" && visit.taken.medium === "paper";
  return slower * (paper ? TICKET_S : IDLE_S);
}

function tick() {
  const countdown = page.view.querySelector("[data-countdown]");
  if (countdown) countdown.textContent = String(Math.max(0, CARD_S - Math.floor((Date.now() - visit.since) / 1000)));
  const fresh = visit.mode === "home" && !document.body.classList.contains("elder");
  const engaged = ["card", "taking", "starting"].includes(visit.mode);
  if (agent === null || inJourney() || fresh || engaged) {
    if (page.still.open) page.still.close();
    return;
  }
  const idle = (Date.now() - Math.max(lastTouch, visit.since)) / 1000 - patience();
  if (idle >= ASK_S) endVisit();
  else if (idle >= 0) {
    const left = String(Math.ceil(ASK_S - idle));
    page.still.querySelectorAll("[data-left]").forEach((each) => { each.textContent = left; });
    if (!page.still.open) page.still.showModal();
  }
}

// ---- the agent ----

function heard(state) {
  const journeyEnded = inJourney() && state.view.kind === "idle";
  agent = state;
  if (journeyEnded) endVisit();
  else draw();
}

function listen() {
  const source = new EventSource("/api/stream");
  source.addEventListener("state", (event) => heard(JSON.parse(event.data)));
  source.onerror = () => {
    // The agent is gone: what it knew of this visit is not known to be true any more.
    if (agent !== null) {
      agent = null;
      endVisit();
    }
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 1000);
  };
}

setInterval(tick, 250);
listen();
