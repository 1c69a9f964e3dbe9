"""The screens beside the page: starting, signing in, and a wrong address. Self-contained, light and dark."""

import html

STYLE = """
:root { color-scheme: light dark; --back: #faf8f5; --text: #2b2723; --muted: #7a7169; --line: #e4ded6;
  --card: #fff; --accent: #c2541b; }
@media (prefers-color-scheme: dark) {
  :root { --back: #191715; --text: #ece7e1; --muted: #a1978c; --line: #36312c; --card: #211e1b; --accent: #ee8a51; }
}
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; min-height: 100dvh; display: grid; place-items: center; padding: 24px;
  background: var(--back); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { width: 100%; max-width: 340px; text-align: center; }
h1 { margin: 0 0 4px; font-size: 26px; font-weight: 650; letter-spacing: -0.02em; }
p { margin: 0 0 24px; color: var(--muted); }
.bar { height: 3px; border-radius: 3px; overflow: hidden; background: var(--line); }
.bar i { display: block; width: 40%; height: 100%; border-radius: 3px; background: var(--accent);
  animation: slide 1.4s ease-in-out infinite; }
@keyframes slide { from { transform: translateX(-110%); } to { transform: translateX(260%); } }
@media (prefers-reduced-motion: reduce) { .bar i { animation: none; width: 100%; opacity: 0.5; } }
form { display: grid; gap: 14px; text-align: left; background: var(--card); border: 1px solid var(--line);
  border-radius: 14px; padding: 22px; }
label { display: grid; gap: 5px; font-size: 14px; color: var(--muted); }
input { font: inherit; color: inherit; padding: 10px 12px; border: 1px solid var(--line); border-radius: 9px;
  background: var(--back); }
button, .way { font: inherit; font-weight: 600; padding: 11px; border: 0; border-radius: 9px; color: #fff;
  background: var(--accent); cursor: pointer; }
.way { padding: 11px 22px; text-decoration: none; }
p a { color: inherit; }
@media (prefers-color-scheme: dark) { button, .way { color: #1d1008; } }
:is(input, button, a):focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.error { margin: 0; color: var(--accent); font-size: 14px; }
"""

FRAME = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Parlor</title><link rel="icon" href="data:,"><style>{style}</style>{head}</head>
<body><main>{content}</main></body></html>
"""

# Turns into the page by itself; without scripts the browser asks again every two seconds.
WAITING = """<h1>Parlor</h1><p role="status">Starting &hellip;</p><div class="bar"><i></i></div>
<script>
  const look = async () => {
    try {
      const health = await (await fetch("/health", { cache: "no-store" })).json();
      if (health.ui === "ready") { location.reload(); return; }
    } catch { /* the server is not there for a moment: ask again */ }
    setTimeout(look, 200);
  };
  look();
</script>"""

SPLASH = FRAME.format(
    style=STYLE, head='<noscript><meta http-equiv="refresh" content="2"></noscript>', content=WAITING
).encode()

MISSING = FRAME.format(
    style=STYLE,
    head="",
    content="<h1>There is no such page</h1><p>The chat, the notebook and all else are in one page. Programs find the "
    '<a href="/v1/openapi.json">list of the API\'s routes</a>.</p><a class="way" href="/">Open Parlor</a>',
).encode()


# Without it the form's own POST would come with `Origin: null`, which is refused. It tells other hosts nothing.
OWN_REFERRER = '<meta name="referrer" content="same-origin">'


def login_screen(*, asks_user: bool, problem: str = "", user: str = "", conversation: str = "") -> bytes:
    """The sign-in form: user and password, or the key alone. `conversation` is opened afterwards."""
    focus = "" if asks_user and not user else " autofocus"
    named = (
        f'<label>User<input name="user" value="{html.escape(user)}" autocomplete="username" required'
        f"{'' if user else ' autofocus'}></label>"
    )
    label = "Password" if asks_user else "API key"
    secret = (
        f'<label>{label}<input name="secret" type="password" autocomplete="current-password" required{focus}></label>'
    )
    error = f'<p class="error" role="alert">{html.escape(problem)}</p>' if problem else ""
    aim = f'<input type="hidden" name="c" value="{html.escape(conversation)}">' if conversation else ""
    fields = f"{aim}{named if asks_user else ''}{secret}"
    form = f'<form method="post" action="/login">{error}{fields}<button>Sign in</button></form>'
    content = f"<h1>Parlor</h1><p>This Parlor is private.</p>{form}"
    return FRAME.format(style=STYLE, head=OWN_REFERRER, content=content).encode()
