// Keeps the list of orders current, and sends the form without leaving the page.
// Without this script the page works all the same: the form is a form.
"use strict";

const list = document.getElementById("list");
const note = document.getElementById("note");
const money = (cents) => `€ ${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")}`;
let shown = "";

function cell(text, name) {
  const td = document.createElement("td");
  td.textContent = text;
  if (name) td.className = name;
  return td;
}

function row(order) {
  const tr = document.createElement("tr");
  tr.id = `order-${order.id}`;
  const state = document.createElement("td");
  const pill = document.createElement("span");
  pill.className = `pill ${order.state}`;
  pill.textContent = order.state;
  state.append(pill);
  tr.append(
    cell(`#${order.id}`), cell(`${order.quantity} × ${order.title}`),
    cell(money(order.cents), "money"), state, cell(order.packed_by ?? "", "by"),
  );
  return tr;
}

async function refresh() {
  try {
    const answer = await fetch("/orders.json", { cache: "no-store" });
    if (!answer.ok) throw new Error(`${answer.status}`);
    const now = await answer.json();
    note.hidden = true;
    document.getElementById("version").textContent = now.version;
    const text = JSON.stringify([now.counts, now.orders]);
    if (text === shown) return;
    shown = text;
    for (const state of ["queued", "packing", "done"]) {
      document.getElementById(state).textContent = now.counts[state];
    }
    list.replaceChildren(...now.orders.map(row));
  } catch (error) {
    note.textContent = `The shop does not answer just now (${error.message}). Trying again…`;
    note.hidden = false;
  }
}

async function tick() {
  if (!document.hidden) await refresh();
  setTimeout(tick, 1000);
}

document.querySelectorAll("form.card").forEach((form) => {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      const answer = await fetch("/orders", { method: "POST", body: new URLSearchParams(new FormData(form)) });
      if (!answer.ok) throw new Error(await answer.text());
      form.elements.key.value = crypto.getRandomValues(new Uint32Array(4)).join("");
      await refresh();
    } catch (error) {
      note.textContent = `Not ordered: ${error.message}`;
      note.hidden = false;
    } finally {
      button.disabled = false;
    }
  });
});

tick();
