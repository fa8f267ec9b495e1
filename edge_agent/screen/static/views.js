// Builds what stands on the screen. Text goes in as text, never as HTML.
import { WORDS } from "/static/words.js";

const MARKS = { act: "▶", wait: "⋯", done: "✓", fault: "✕" };

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** Both languages, Chinese first. */
export function both([zh, en]) {
  return [element("span", { lang: "zh-Hans" }, zh), " ", element("span", { class: "en", lang: "en" }, en)];
}

const pair = (words) => [words.zh, words.en];
const heading = (words) => element("h1", { tabindex: "-1" }, ...both(words));
const line = (words, style) => element("p", { class: style }, ...both(words));

function key(words, press, options = {}) {
  const note = options.note ? [element("span", { class: "note" }, ...both(options.note))] : [];
  return element(
    "button",
    { type: "button", "data-press": press, class: options.quiet ? "quiet" : undefined, disabled: options.disabled },
    ...both(words),
    ...note,
  );
}

function group(words, keys) {
  const id = `group-${words[1].replace(/\W+/g, "-")}`;
  return element(
    "section",
    { "aria-labelledby": id },
    element("h2", { id }, ...both(words)),
    element("div", { class: "choices" }, ...keys),
  );
}

function message(tone, ...children) {
  return element("div", { class: `message ${tone}` }, element("span", { class: "mark", "aria-hidden": "true" }, MARKS[tone] || ""), ...children);
}

function serviceKey(service) {
  const none = service.left <= 0;
  return key(pair(service), `service:${service.id}`, { disabled: none, note: none ? WORDS.noneLeft : undefined });
}

function itemKey(item, online) {
  return key(pair(item), `item:${item.id}`, { disabled: !online, note: online ? undefined : WORDS.needsLink });
}

/** The choice of services and journeys. */
export function home(state) {
  const parts = [heading(WORDS.choose)];
  if (state.tickets && !state.services.length) parts.push(line(WORDS.nothing, "lead"));
  if (state.services.length) parts.push(group(WORDS.tickets, state.services.map(serviceKey)));
  if (state.items.length) parts.push(group(WORDS.journeys, state.items.map((item) => itemKey(item, state.online))));
  return parts;
}

/** With or without an ID card. */
export function how(service) {
  const keys = element("div", { class: "choices" }, key(WORDS.card, "card"), key(WORDS.plain, "plain"));
  return [heading(WORDS.how), line(pair(service), "lead"), keys];
}

/** The reader waits for a card. */
export function card() {
  const left = element("p", { class: "lead" }, ...both(WORDS.layLeft), " ", element("strong", { "data-countdown": true }));
  return [message("act", heading(WORDS.lay), left)];
}

/** Something is on its way. */
export function busy(words) {
  return [message("wait", heading(words))];
}

/** The number, and on what it was handed over. */
export function ticket(taken) {
  const number = element("span", { class: "ticket-number" }, taken.number);
  const told = taken.medium === "paper" ? WORDS.paper : taken.notice ? pair(taken.notice) : WORDS.keep;
  const handed = element(
    "div",
    { class: "handed" },
    line(pair(taken.service), "lead"),
    element("h1", { tabindex: "-1", class: "yours" }, ...both(WORDS.yours), " ", number),
    line(told, "lead"),
  );
  const code = taken.medium === "screen" && taken.qr_svg ? [codeOf(taken)] : [];
  const style = code.length ? "message done with-code" : "message done";
  return [element("div", { class: style }, handed, ...code), element("div", { class: "choices" }, key(WORDS.done, "home"))];
}

function codeOf(taken) {
  const holder = document.createElement("template");
  holder.innerHTML = taken.qr_svg; // drawn by the agent from the link; the policy refuses scripts in it
  const code = element("div", { class: "qr", role: "img", "aria-label": WORDS.scan.join(" ") }, holder.content);
  return element("div", { class: "coded" }, code, line(WORDS.scan));
}

/** Why not, in the agent's words, and what to do. */
export function refusal(problem, canRetry) {
  const words = problem.zh ? pair(problem) : WORDS.elsewhere;
  const keys = canRetry ? [key(WORDS.again, "card"), key(WORDS.plain, "plain")] : [];
  return [message("fault", heading(WORDS.sorry), line(words, "lead")), element("div", { class: "choices" }, ...keys, key(WORDS.done, "home", { quiet: canRetry }))];
}

/** A journey, as the cloud leads it. */
export function journey(view) {
  if (view.kind !== "question") return [message(view.tone || "wait", heading(pair(view.message)))];
  const keys = view.options.map((option) => key(pair(option.label), `answer:${option.id}`));
  return [heading(pair(view.question)), element("div", { class: "choices" }, ...keys)];
}

/** The agent itself does not answer. */
export function unreachable() {
  return [message("fault", heading(WORDS.unreachable), line(WORDS.elsewhere, "lead"))];
}

/** What does not work now, and what still does. */
export function notices(state) {
  const found = [];
  if (!state.online) found.push(line(state.tickets ? WORDS.offlineTickets : WORDS.offlineJourneys, "notice"));
  if (state.tickets && !state.printer) found.push(line(WORDS.noPaper, "notice"));
  return found;
}
