// The table of orders follows the database: asked once a second while the page is looked at.
const table = document.getElementById("orders");

function cell(text) {
  const td = document.createElement("td");
  td.textContent = text;
  return td;
}

function draw(order) {
  const row = document.createElement("tr");
  const state = document.createElement("span");
  state.className = `state ${order.status}`;
  state.textContent = order.status;
  const holder = document.createElement("td");
  holder.append(state);
  const took = order.took_ms === null ? "" : `${order.took_ms} ms`;
  row.append(cell(order.id), cell(order.customer), cell(`${order.quantity} × ${order.product}`), holder, cell(took));
  return row;
}

async function look() {
  if (document.hidden) return;
  try {
    const answer = await fetch("/orders.json");
    if (!answer.ok) return;
    const orders = await answer.json();
    if (orders.length) table.replaceChildren(...orders.map(draw));
  } catch {
    // The shop is away for a moment; the next look will tell.
  }
}

setInterval(look, 1000);
