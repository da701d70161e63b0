// The bar at the top of every screen: where you are, where you can go, who you are.
import { Contrast, Moon, Settings2, Sun, SunMoon } from "lucide-react";
import { Link, useLocation } from "wouter";
import type { Me } from "../api/types";
import { AppActions } from "../canvas/AppActions";
import { to } from "../routes";
import { type Theme, useTheme } from "../state/theme";
import { IconButton } from "./Button";
import { type Entries, Menu } from "./Menu";
import { TargetMenu } from "./TargetMenu";

function NavLink({ href, children }: { href: string; children: string }) {
  const [at] = useLocation();
  return (
    <Link href={href} aria-current={at === href ? "page" : undefined}>
      {children}
    </Link>
  );
}

function AppearanceMenu() {
  const { theme, contrast, letters, setTheme, setContrast, setLetters } = useTheme();
  const choice = (value: Theme, label: string, icon: React.ReactNode) => ({
    label: theme === value ? `${label} (now)` : label,
    icon,
    run: () => setTheme(value),
  });
  const entries: Entries = [
    choice("system", "As the system", <SunMoon />),
    choice("light", "Light", <Sun />),
    choice("dark", "Dark", <Moon />),
    "line",
    {
      label: contrast === "more" ? "Normal contrast" : "More contrast",
      icon: <Contrast />,
      run: () => setContrast(contrast === "more" ? "normal" : "more"),
    },
    {
      label: letters ? "Turn single-letter keys off" : "Turn single-letter keys on",
      run: () => setLetters(!letters),
    },
  ];
  return (
    <Menu entries={entries} label="Appearance and keys">
      <IconButton label="Appearance and keys">
        <Settings2 size={17} aria-hidden="true" />
      </IconButton>
    </Menu>
  );
}

export function FrameHeader({ app, me }: { app: string | null; me: Me | undefined }) {
  return (
    <header className="frame-header">
      <Link href={to.apps()} className="brand" aria-label="Shelf, all apps">
        <svg width="22" height="22" viewBox="0 0 32 32" aria-hidden="true">
          <rect width="32" height="32" rx="7" fill="var(--accent)" />
          <g fill="var(--on-accent)">
            <rect x="7" y="7" width="6" height="11" rx="1.5" />
            <rect x="15" y="10" width="10" height="8" rx="1.5" opacity=".7" />
            <rect x="6" y="21" width="20" height="3.4" rx="1.7" />
          </g>
        </svg>
        {app === null && <span>Shelf</span>}
      </Link>
      {app === null ? (
        <nav className="frame-nav" aria-label="Main">
          <NavLink href={to.apps()}>Apps</NavLink>
          <NavLink href={to.catalogue()}>Modules</NavLink>
          <NavLink href={to.system()}>System</NavLink>
        </nav>
      ) : (
        <>
          <span className="crumb" aria-hidden="true">
            /
          </span>
          <h1 className="app-name">{app}</h1>
          <nav className="frame-nav app-nav" aria-label={`Parts of ${app}`}>
            <NavLink href={to.canvas(app)}>Canvas</NavLink>
            <NavLink href={to.file(app)}>File</NavLink>
            <NavLink href={to.plan(app)}>Plan</NavLink>
            <NavLink href={to.releases(app)}>Releases</NavLink>
          </nav>
        </>
      )}
      {me && <TargetMenu />}
      <span className="grow" />
      {app !== null && me && <AppActions app={app} me={me} />}
      <AppearanceMenu />
      {me && (
        <span className="avatar" role="img" aria-label={`You are ${me.person.name}`} title={me.person.name}>
          {me.person.initials}
        </span>
      )}
    </header>
  );
}
