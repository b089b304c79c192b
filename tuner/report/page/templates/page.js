"use strict";
// Draws the charts from the embedded data and links them with the table. What is shown follows from
// `state` alone: whatever changes it marks charts as stale, and those in view are drawn again.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const $ = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const element = (tag, text, name) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text; // never markup: names come from anywhere
    if (name) made.className = name;
    return made;
  };
  let touch = false; // whoever points with a finger cannot hover: the card stays, with its link
  for (const kind of ["pointerdown", "pointermove"])
    addEventListener(kind, (event) => { touch = event.pointerType === "touch"; }, { capture: true, passive: true });
  const trials = data.trials;
  const state = {
    hidden: new Set(), view: "near", lit: null, shut: new Set(), off: new Set(), states: new Set(), variants: false, words: [],
  };
  for (const button of all("#series button"))
    if (button.getAttribute("aria-pressed") === "false") state.shut.add(+button.dataset.series);

  // --- charts -------------------------------------------------------------------------------------
  const charts = new Map(); // name -> {box, plot, stale, seen, places}
  const css = () => getComputedStyle(root);
  function resolved(value, style) {
    if (Array.isArray(value)) return value.map((each) => resolved(each, style));
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, resolved(v, style)]));
    if (typeof value === "string" && value.startsWith("var("))
      return style.getPropertyValue(value.slice(4, -1)).trim();
    return value;
  }
  function figure(name) {
    const style = css();
    const made = resolved(data.charts[name], style);
    const { layout } = made;
    for (const trace of made.data) {
      const role = trace.meta && trace.meta.role;
      if (role === "dots" && state.hidden.size)
        trace.marker.opacity = trace.customdata.map((t) => (state.hidden.has(t) ? 0.07 : 1));
      if (role === "lines" && state.hidden.size) keepShown(trace);
      if (role === "curve") trace.visible = !state.shut.has(trace.meta.trial);
      if (role === "tip" && trace.meta.variant !== undefined) trace.visible = !state.off.has(trace.meta.variant);
    }
    if (layout.meta && layout.meta.views) {
      const [x, y] = layout.meta.views[state.view];
      layout.xaxis.range = x.slice();
      layout.yaxis.range = y.slice();
    }
    if (charts.get(name).box.clientWidth < 480) {
      layout.margin = { ...layout.margin, l: Math.min(layout.margin.l, 44), r: 8 };
      layout.xaxis.nticks = layout.xaxis.nticks || 5;
      fit(layout.xaxis, charts.get(name).box.clientWidth - layout.margin.l - layout.margin.r);
    }
    layout.autosize = true;
    return made;
  }
  function fit(axis, room) {
    // Texts of ticks that would run into each other: of numbers every second goes, words are cut.
    if (!axis.tickvals) return;
    const width = () => axis.ticktext.reduce((sum, text) => sum + 6.4 * text.length + 8, 0);
    if (axis.ticktext.every((text) => !isNaN(text))) {
      while (axis.tickvals.length > 2 && width() > room)
        for (const key of ["tickvals", "ticktext"]) axis[key] = axis[key].filter((_, i) => i % 2 === 0);
      return;
    }
    axis.tickfont.size = 10.5;
    const most = Math.max(3, Math.floor(room / axis.tickvals.length / 5.6) - 1);
    axis.ticktext = axis.ticktext.map((text) => (text.length > most ? `${text.slice(0, most - 1)}…` : text));
  }
  function keepShown(trace) {
    const { width } = trace.meta;
    const keep = trace.customdata.map((t) => !state.hidden.has(t));
    for (const key of ["x", "y", "customdata"]) trace[key] = trace[key].filter((_, i) => keep[i]);
    trace.opacity = Math.min(1, trace.opacity * (keep.filter(Boolean).length > 60 * width ? 1 : 1.6));
  }
  function places(name) {
    // Where each trial is in a chart: one point among dots, one a parameter among lines.
    const found = new Map();
    for (const trace of data.charts[name].data) {
      const role = trace.meta && trace.meta.role;
      if (role !== "dots" && role !== "lines") continue;
      trace.customdata.forEach((trial, i) => {
        if (!found.has(trial)) found.set(trial, { role, points: [] });
        found.get(trial).points.push([trace.x[i], trace.y[i]]);
      });
    }
    return found;
  }
  function draw(name) {
    const chart = charts.get(name);
    chart.stale = false;
    const made = figure(name);
    Plotly.react(chart.plot, made.data, made.layout, { displayModeBar: false, responsive: true, doubleClick: false });
    if (!chart.drawn) {
      chart.drawn = true;
      chart.plot.on("plotly_hover", (event) => pointed(chart, event, false));
      chart.plot.on("plotly_unhover", () => { if (!card.classList.contains("held")) { hideCard(); light(null); } });
      chart.plot.on("plotly_click", (event) => pointed(chart, event, true));
      chart.plot.on("plotly_relayout", () => ring(chart));
      chart.plot.dataset.drawn = "true";
    }
    ring(chart);
  }
  function refresh(names) {
    for (const name of names || charts.keys()) {
      const chart = charts.get(name);
      if (!chart) continue;
      chart.stale = true;
      if (chart.seen) draw(name);
    }
  }
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const chart = charts.get(target.dataset.chart);
      chart.seen = isIntersecting;
      if (isIntersecting && chart.stale) draw(target.dataset.chart);
    }
  }, { rootMargin: "300px" });
  for (const box of all("[data-chart]")) {
    const name = box.dataset.chart;
    const plot = element("div");
    plot.style.cssText = "width:100%;height:100%";
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "over-svg");
    box.append(plot, svg);
    charts.set(name, { name, box, plot, svg, stale: true, seen: false, drawn: false, places: places(name) });
    watcher.observe(box);
  }

  // --- one trial in all charts --------------------------------------------------------------------
  function ring(chart) {
    chart.svg.replaceChildren();
    const place = state.lit === null ? undefined : chart.places.get(state.lit);
    const full = chart.plot._fullLayout;
    if (!place || !full || !full.xaxis) return;
    const { xaxis, yaxis } = full;
    const at = ([x, y]) => [xaxis._offset + xaxis.l2p(x), yaxis._offset + yaxis.l2p(y)];
    const inside = ([x, y]) =>
      x >= xaxis._offset - 1 && x <= xaxis._offset + xaxis._length + 1 && y >= yaxis._offset - 1 && y <= yaxis._offset + yaxis._length + 1;
    const shape = (tag, attributes) => {
      const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
      for (const [key, value] of Object.entries({ fill: "none", stroke: "currentColor", "stroke-width": 2, ...attributes }))
        made.setAttribute(key, value);
      chart.svg.append(made);
    };
    if (place.role === "dots") {
      const [x, y] = at(place.points[0]);
      if (inside([x, y])) shape("circle", { cx: x, cy: y, r: 9 });
      return;
    }
    let path = "";
    let pen = "M";
    for (const point of place.points) {
      if (point[0] === null || point[1] === null) { pen = "M"; continue; }
      path += pen + at(point).map((v) => v.toFixed(1)).join(",");
      pen = "L";
    }
    shape("path", { d: path, "stroke-width": 2.5, "stroke-linejoin": "round" });
  }
  function light(trial) {
    if (state.lit === trial) return;
    state.lit = trial;
    for (const row of all("tr.lit")) row.classList.remove("lit");
    const row = trial === null ? null : document.getElementById(`trial-${trial}`);
    if (row) row.classList.add("lit");
    for (const chart of charts.values()) if (chart.drawn && chart.seen) ring(chart);
  }

  // --- the card over a point ----------------------------------------------------------------------
  const card = $("#card");
  function hideCard() {
    card.hidden = true;
    card.classList.remove("held");
  }
  function pairs(list) {
    const made = element("dl");
    for (const [term, text] of list) made.append(element("dt", term), element("dd", text));
    return made;
  }
  function fillCard(trial) {
    const one = trials[trial];
    const head = element("h5", one.t);
    const set = data.names.map((name, i) => [name, one.p[i]]).filter(([, text]) => text !== null);
    card.replaceChildren(head, element("p", one.w), pairs(one.f), pairs(set));
    if (one.u) {
      const last = element("p");
      const link = element("a", touch ? "open its run in MLflow" : "click the mark to open its run in MLflow");
      link.href = one.u;
      link.target = "_blank";
      link.rel = "noopener noreferrer";
      last.append(link);
      card.append(last);
    } else if (one.r) {
      card.append(element("p", `run ${one.r.slice(0, 8)}… in MLflow: tuner ui shows it`));
    }
  }
  function fillCurve(trial, epoch) {
    const curve = data.curves[trial];
    const i = curve.epochs.indexOf(epoch);
    const percent = (v) => (v === null ? "not measured" : `${(100 * v).toFixed(2)} %`);
    const plain = (v) => (v === null ? "not measured" : v.toFixed(4));
    const said = [];
    if (curve.windows.some(([a, b]) => a <= epoch && epoch <= b)) said.push("meets every target");
    if (epoch === curve.chosen) said.push("the epoch that stands for it");
    if (epoch === curve.turns) said.push("validation loss turns here");
    card.replaceChildren(
      element("h5", `${curve.label}, epoch ${epoch}`),
      element("p", said.join(" · ")),
      pairs([
        ["validation", percent(curve.val[i])], ["train", percent(curve.train[i])],
        ...curve.more.map(([name, column]) => [name, percent(column[i])]),
        ["validation loss", plain(curve.val_loss[i])], ["train loss", plain(curve.train_loss[i])],
      ]),
    );
  }
  function fillTip([head, note, ...pair]) {
    card.replaceChildren(element("h5", head), ...(note ? [element("p", note)] : []), pairs([pair]));
  }
  function pointed(chart, event, clicked) {
    const point = event.points[0];
    const role = point.data.meta && point.data.meta.role;
    const trial = point.customdata;
    if (trial === undefined || state.hidden.has(trial)) return;
    if (role === "curve") fillCurve(trial, point.x);
    else if (role === "tip") fillTip(trial);
    else {
      fillCard(trial);
      light(trial);
      if (clicked && !touch && trials[trial].u) {
        window.open(trials[trial].u, "_blank", "noopener,noreferrer");
        return;
      }
      if (clicked && !touch) {
        hideCard();
        show(trial);
        return;
      }
    }
    card.hidden = false;
    card.classList.toggle("held", clicked || touch);
    const from = chart.plot.getBoundingClientRect();
    const x = from.left + point.xaxis._offset + point.xaxis.l2p(point.x);
    const y = from.top + point.yaxis._offset + point.yaxis.l2p(point.y);
    const { width, height } = card.getBoundingClientRect();
    const left = x + 18 + width < innerWidth ? x + 18 : Math.max(8, x - 18 - width);
    const top = Math.min(Math.max(8, y - height / 2), Math.max(8, innerHeight - height - 8));
    card.style.transform = `translate(${left}px, ${top}px)`;
  }
  function show(trial) {
    const row = document.getElementById(`trial-${trial}`);
    if (row) row.scrollIntoView({ block: "center" });
  }
  addEventListener("scroll", () => { if (!card.hidden) { hideCard(); light(null); } }, { passive: true });
  addEventListener("keydown", (event) => { if (event.key === "Escape") { hideCard(); light(null); } });
  document.addEventListener("pointerdown", (event) => {
    if (card.classList.contains("held") && !card.contains(event.target)) { hideCard(); light(null); }
  });

  // --- the table: order and filters ---------------------------------------------------------------
  const table = $("#table");
  const rows = table ? all("tbody tr", table) : [];
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  function key(row, column) {
    const cell = row.children[column];
    const raw = cell.dataset.sort === undefined ? cell.textContent : cell.dataset.sort;
    return raw === "" || raw === "None" ? null : raw;
  }
  function sort(head, column) {
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of all("thead th", table)) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const keyed = rows.map((row) => [key(row, column), row]);
    keyed.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null); // what is missing comes last
      const order = !isNaN(a) && !isNaN(b) ? a - b : String(a).localeCompare(String(b));
      return up ? order : -order;
    });
    $("tbody", table).append(...keyed.map(([, row]) => row));
  }
  all("thead th", table || root).forEach((head, column) => {
    const button = $("button", head);
    if (button && table && table.contains(head)) button.addEventListener("click", () => sort(head, column));
  });
  const bar = $("#filtered");
  const find = $("#find");
  function filter() {
    state.hidden = new Set();
    for (const row of rows) {
      const shown =
        (!state.states.size || state.states.has(row.dataset.state)) &&
        (!state.variants || row.dataset.variant !== undefined) &&
        state.words.every((word) => texts.get(row).includes(word));
      row.hidden = !shown;
      if (!shown) state.hidden.add(+row.dataset.trial);
    }
    const left = rows.length - state.hidden.size;
    const text = state.hidden.size ? `${left} of ${rows.length} trials` : `${rows.length} trials`;
    $("#count").textContent = text;
    $("span", bar).textContent = `${text} shown`;
    bar.hidden = !state.hidden.size;
    hideCard();
    refresh([...charts.values()].filter((chart) => chart.places.size).map((chart) => chart.name));
  }
  for (const button of all("#filters [data-state]"))
    button.addEventListener("click", () => {
      const { state: word } = button.dataset;
      const on = !state.states.delete(word);
      if (on) state.states.add(word);
      button.setAttribute("aria-pressed", on);
      filter();
    });
  const named = $("#filters [data-variants]");
  if (named) named.addEventListener("click", () => {
    state.variants = !state.variants;
    named.setAttribute("aria-pressed", state.variants);
    filter();
  });
  let waiting = 0;
  if (find) find.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      state.words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
      filter();
    }, 120);
  });
  $("button", bar).addEventListener("click", () => {
    state.states.clear();
    state.variants = false;
    state.words = [];
    find.value = "";
    for (const button of all("#filters [aria-pressed]")) button.setAttribute("aria-pressed", "false");
    filter();
  });
  for (const row of rows) {
    row.addEventListener("pointerenter", () => light(+row.dataset.trial));
    row.addEventListener("pointerleave", () => light(null));
  }
  for (const one of all("article[data-trial]")) {
    one.addEventListener("pointerenter", () => light(+one.dataset.trial));
    one.addEventListener("pointerleave", () => light(null));
  }

  // --- switches -----------------------------------------------------------------------------------
  for (const button of all("#series button"))
    button.addEventListener("click", () => {
      const trial = +button.dataset.series;
      const on = state.shut.delete(trial);
      if (!on) state.shut.add(trial);
      button.setAttribute("aria-pressed", on);
      refresh(["accuracy", "loss"]);
    });
  for (const button of all("#means button"))
    button.addEventListener("click", () => {
      const variant = +button.dataset.mean;
      const on = state.off.delete(variant);
      if (!on) state.off.add(variant);
      button.setAttribute("aria-pressed", on);
      refresh(["variants-loss", "variants-accuracy"]);
    });
  for (const button of all("[data-view]"))
    button.addEventListener("click", () => {
      state.view = button.dataset.view;
      for (const other of all("[data-view]")) other.setAttribute("aria-pressed", other === button);
      refresh(["map"]);
    });
  const lists = all("[role=tablist]").map((list) => all("[role=tab]", list));
  function choose(tabs, tab) {
    for (const other of tabs) {
      other.setAttribute("aria-selected", other === tab);
      document.getElementById(other.getAttribute("aria-controls")).hidden = other !== tab;
    }
  }
  const chosen = (tabs) => tabs.find((tab) => tab.getAttribute("aria-selected") === "true") || tabs[0];
  for (const tabs of lists) {
    for (const tab of tabs) tab.addEventListener("click", () => choose(tabs, tab));
    choose(tabs, tabs[0]);
  }
  for (const button of all(".copy"))
    button.addEventListener("click", async () => {
      const text = button.dataset.copy;
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        const area = element("textarea", text);
        document.body.append(area);
        area.select();
        document.execCommand("copy");
        area.remove();
      }
      const before = button.textContent;
      button.textContent = "copied";
      button.classList.add("done");
      setTimeout(() => { button.textContent = before; button.classList.remove("done"); }, 1200);
    });

  // --- light and dark, paper ----------------------------------------------------------------------
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", () => refresh());
  $("#theme").addEventListener("click", () => {
    const now = root.dataset.theme || (dark.matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
    try { localStorage.setItem("tuner-theme", root.dataset.theme); } catch { /* no storage */ }
    refresh();
  });
  let before;
  function redrawAll() {
    for (const name of charts.keys()) {
      // One chart that cannot be drawn does not take the others off the paper.
      try { draw(name); Plotly.Plots.resize(charts.get(name).plot); } catch (error) { console.error(name, error); }
    }
  }
  addEventListener("beforeprint", () => {
    before = root.dataset.theme;
    root.dataset.theme = "light";
    $("main").style.width = "680px";
    for (const panel of all(".wrong, .variables")) panel.hidden = false;
    redrawAll();
  });
  addEventListener("afterprint", () => {
    if (before) root.dataset.theme = before;
    else delete root.dataset.theme;
    $("main").style.width = "";
    for (const tabs of lists) choose(tabs, chosen(tabs));
    redrawAll();
  });
})();
