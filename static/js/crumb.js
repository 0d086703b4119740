// What htmx leaves to the page: requests one after another across tabs, words for failures, a cart that is up to
// date after Back, and a focus that is never lost. Everything works without this file, only slower.
(() => {
  "use strict";

  const messages = () => document.getElementById("messages");

  // What the page asks by itself is quiet: nothing is said of it, and nothing waits for it.
  const changes = (ctx) => ctx.request.method !== "GET" && !ctx.quiet;
  document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => { ctx.quiet ??= "quiet" in ctx.sourceElement.dataset; });

  // Each answer writes the cookie that the next request must carry. htmx queues within a page; between tabs only a
  // lock can. keepalive: leaving the page must not lose an add.
  document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
    if (!changes(ctx)) return;
    ctx.request.keepalive = true;
    if (!navigator.locks) return;
    ctx.fetch = (url, request) => navigator.locks.request("cookies", () => fetch(url, request));
  });

  // The next page must show the changes under way, so a link or a plain form waits for them. A second try doesn't.
  const underWay = new Set();
  let onward = null;
  document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => changes(ctx) && underWay.add(ctx));
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    if (!underWay.delete(ctx) || underWay.size) return;
    onward?.();
    onward = null;
  });
  addEventListener("pagehide", () => { onward = null; });
  const wait = (event, go) => {
    if (!underWay.size || onward || event.defaultPrevented) return;
    event.preventDefault();
    onward = go;
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]:not([target], [href^='#'])");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) wait(event, () => link.click());
  });
  document.addEventListener("submit", (event) => {
    if (event.target.method !== "dialog") wait(event, () => event.target.requestSubmit(event.submitter));
  });

  // Offline, and an error of the server: say so, and leave the page, its address and an offer to undo as they were.
  const say = (id) => {
    for (const message of [...messages().children]) if (!message.querySelector("#undo")) message.remove();
    messages().append(document.getElementById(id).content.cloneNode(true));
  };
  document.addEventListener("htmx:error", ({ detail: { ctx } }) => ctx && !ctx.quiet && say("offline-message"));
  document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
    if (ctx.response.status >= 500 && !ctx.quiet) say("failure-message");
  });
  document.addEventListener("htmx:before:history:update", (event) => {
    if (event.detail.response?.status >= 400) event.preventDefault();
  });

  // A part of a page was asked for, and that page is gone: its error page says what to do.
  document.addEventListener("htmx:before:swap", (event) => {
    const { ctx } = event.detail;
    if (!ctx.select || ctx.response.status < 400 || ctx.response.status >= 500) return;
    if (ctx.text.includes(`id="${ctx.select.slice(1)}"`)) return; // it is there, and says what is wrong
    event.preventDefault();
    location.assign(ctx.request.action);
  });

  // A page from the back-forward cache, or in a tab that was hidden, may show an old cart.
  const refresh = () => htmx.ajax("GET", "/cart", { target: "#messages", swap: "none", quiet: true });
  addEventListener("pageshow", (event) => event.persisted && refresh());
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && refresh());

  // A number being typed stays when an answer comes, unless it is what that request asked for.
  const keep = (tasks, unwanted) => tasks.splice(0, tasks.length, ...tasks.filter((task) => !unwanted(task)));
  document.addEventListener("htmx:before:swap", ({ detail: { ctx, tasks } }) => {
    const field = document.activeElement;
    if (!(field instanceof HTMLInputElement) || field.value === field.defaultValue) return;
    if (field.form === ctx.sourceElement && ctx.request.body?.getAll(field.name).includes(field.value)) return;
    keep(tasks, ({ type, target }) => type === "partial" && target?.contains(field));
  });

  // The second click of a double click finds its line gone: it must not take away the offer to undo the first.
  document.addEventListener("htmx:before:swap", ({ detail: { ctx, tasks } }) => {
    if (ctx.sourceElement.isConnected || !document.getElementById("undo")) return;
    keep(tasks, ({ target }) => target === messages());
  });

  // A part of the page that somebody has opened stays open when it is replaced; a pressed button is done with it.
  let opened = [];
  document.addEventListener("htmx:before:swap", ({ detail: { ctx } }) => {
    const open = ctx.sourceEvent?.type === "submit" ? [] : document.querySelectorAll("details[id][open]");
    opened = [...open].map(({ id }) => id);
  });
  document.addEventListener("htmx:after:swap", () => {
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
  });

  // The focus stays on what is there again, or in the same row of a list; when its button went with its line or its
  // message, it goes to the cart.
  let focused = document.body;
  document.addEventListener("htmx:before:swap", () => { focused = document.activeElement; });
  const refocus = () => {
    if (focused === document.body) return;
    const row = document.getElementById(focused.closest("li[id]")?.id)?.querySelector("a[href], button");
    const cart = document.querySelector("main #cart, dialog[open] #cart");
    for (const place of [document.getElementById(focused.id), row, cart, document.getElementById("main")]) {
      if (document.activeElement === document.body) place?.focus({ preventScroll: true });
    }
  };
  document.addEventListener("htmx:after:swap", refocus);

  // A message that doesn't go by itself has a button to close it; Escape closes the newest.
  const close = (button) => {
    if (!button) return;
    focused = document.activeElement;
    button.closest(".message").remove();
    refocus();
  };
  document.addEventListener("click", ({ target }) => close(target.closest(".message-close")));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    close([...messages().querySelectorAll(".message-close")].pop());
  });

  // What was changed in a list's form stays where it is in the window, whatever comes or goes above it. More values
  // come below the last there was; when fewer are left, that is the link which was pressed. When all of it is gone, as
  // with the button that closes the filters, the list begins in sight.
  const topOf = (id) => document.getElementById(id).getBoundingClientRect();
  let held = [];
  document.addEventListener("htmx:before:swap", ({ detail: { ctx } }) => {
    const { type, target } = ctx.sourceEvent ?? {};
    const changed = type === "submit" ? document.activeElement : target?.closest?.("[id]");
    const last = changed?.matches(".facet-more") && [...changed.parentElement.querySelectorAll("input")].pop();
    held = ctx.select === "#listing" ? [last, changed].filter((each) => each?.id).map(({ id }) => [id, topOf(id).top]) : [];
  });
  document.addEventListener("htmx:after:swap", () => {
    const [id, top] = held.find(([id]) => document.getElementById(id)?.checkVisibility()) ?? [];
    if (id) scrollBy({ top: topOf(id).top - top, behavior: "instant" });
    else if (held.length && topOf("listing").top < 0) document.getElementById("listing").scrollIntoView({ behavior: "instant" });
    held = [];
  });

  // A field's error belongs to what was typed before.
  document.addEventListener("input", ({ target }) => {
    const error = document.getElementById(target.getAttribute("aria-describedby"));
    if (error?.classList.contains("field-error")) error.textContent = "";
    target.removeAttribute("aria-invalid");
  });

  // What a list's form leaves empty, or as it is without a word, stays out of its address.
  document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
    if (ctx.sourceElement.id !== "listing-form") return;
    const usual = { sort: ctx.sourceElement.elements.sort.options[0].value };
    for (const [name, value] of [...ctx.request.body]) if (!value || value === usual[name]) ctx.request.body.delete(name);
  });

  // A picture that can't be loaded gives way to the tile behind it, and there is nothing to enlarge.
  const hideBroken = (picture) => {
    picture.classList.add("picture-broken");
    for (const name of ["href", "aria-label"]) picture.closest(".product-slide-link")?.removeAttribute(name);
  };
  document.addEventListener("error", ({ target }) => target instanceof HTMLImageElement && hideBroken(target), true);
  for (const picture of document.images) if (picture.complete && !picture.naturalWidth) hideBroken(picture);

  // The link to a shared cart is there to be copied. Unlike navigator.clipboard, this works without HTTPS too.
  document.addEventListener("focusin", ({ target }) => target.id === "share-link" && target.select());
  document.addEventListener("click", ({ target }) => {
    if (target.id !== "share-copy") return;
    document.getElementById("share-link").focus();
    if (document.execCommand("copy")) target.textContent = target.dataset.done;
    target.focus();
  });
})();
