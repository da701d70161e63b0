// The UI starts here: theme, session, stream, routes. Each screen is a chunk of its own.
// Where next: routes.ts (addresses), canvas/CanvasPage.tsx (the main screen), api/ (the server).
import { QueryClientProvider, useQuery } from "@tanstack/react-query";
import { StrictMode, Suspense, useEffect } from "react";
import { createRoot } from "react-dom/client";
import { Redirect, Route, Router, Switch, useRoute } from "wouter";
import type { Refusal } from "./api/client";
import { client, queries } from "./api/queries";
import { openSession } from "./api/session";
import { base } from "./api/target";
import "./tokens.css";
import "./base.css";
import { Boundary } from "./parts/Boundary";
import { Empty, Loading, Problem } from "./parts/Empty";
import { FrameHeader } from "./parts/Frame";
import { Live } from "./parts/Live";
import { lazily } from "./parts/lazily";
import { Protected } from "./parts/Protected";
import { TipProvider } from "./parts/Tip";
import { patterns } from "./routes";
import { learnInterfaces } from "./state/interfaces";
import { listen } from "./state/live";
import { startTheme } from "./state/theme";
import { ServerBanner } from "./system/ServerBanner";
import { Warnings } from "./system/Warnings";

const AppsPage = lazily(() => import("./apps/AppsPage").then((it) => ({ default: it.AppsPage })));
const CanvasPage = lazily(() => import("./canvas/CanvasPage").then((it) => ({ default: it.CanvasPage })));
const PlanPage = lazily(() => import("./plan/PlanPage").then((it) => ({ default: it.PlanPage })));
const FilePage = lazily(() => import("./file/FilePage").then((it) => ({ default: it.FilePage })));
const ReleasesPage = lazily(() =>
  import("./releases/ReleasesPage").then((it) => ({ default: it.ReleasesPage })),
);
const CataloguePage = lazily(() =>
  import("./catalogue/CataloguePage").then((it) => ({ default: it.CataloguePage })),
);
const SystemPage = lazily(() => import("./system/SystemPage").then((it) => ({ default: it.SystemPage })));

function Pages() {
  return (
    <Suspense fallback={<Loading what="the page" />}>
      <Switch>
        <Route path={patterns.apps}>{() => <AppsPage />}</Route>
        <Route path={patterns.canvas}>{({ app }) => <CanvasPage key={app} app={app} />}</Route>
        <Route path={patterns.file}>{({ app }) => <FilePage key={app} app={app} />}</Route>
        <Route path={patterns.plan}>{({ app }) => <PlanPage key={app} app={app} />}</Route>
        <Route path={patterns.releases}>{({ app }) => <ReleasesPage key={app} app={app} />}</Route>
        <Route path={patterns.catalogue}>{() => <CataloguePage />}</Route>
        <Route path={patterns.system}>{() => <SystemPage />}</Route>
        <Route path="/open">{() => <Redirect to="/" />}</Route>
        <Route>
          {() => (
            <Empty title="There is no such page">
              <a href="/">All apps</a>
            </Empty>
          )}
        </Route>
      </Switch>
    </Suspense>
  );
}

/** Where the person has no session: how to get one, never a form that can lock them out. */
function NoSession({ error }: { error: Refusal }) {
  if (error.status === 401 || error.status === 403) {
    return (
      <Empty title="Open this from your terminal">
        <p>The canvas knows you by a link that the server makes for you. Run this where the server runs:</p>
        <p>
          <code>shelf open</code>
        </p>
        {error.hint && <p>{error.hint}</p>}
      </Empty>
    );
  }
  return (
    <Problem
      what="The server could not be asked who you are"
      error={error}
      retry={() => client.refetchQueries()}
    />
  );
}

function Frame() {
  const [, params] = useRoute<{ app: string }>("/apps/:app/*?");
  const app = params?.app ? decodeURIComponent(params.app) : null;
  const me = useQuery(queries.me());
  const catalogue = useQuery({ ...queries.catalogue(), enabled: me.isSuccess });
  useEffect(() => {
    if (catalogue.data) learnInterfaces(catalogue.data.interfaces);
  }, [catalogue.data]);
  useEffect(() => {
    if (!me.isSuccess) return;
    const stream = listen(app);
    return () => stream.close();
  }, [app, me.isSuccess]);
  return (
    <>
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <FrameHeader app={app} me={me.data} />
      <ServerBanner />
      {app !== null && me.isSuccess && <Warnings app={app} />}
      <main id="main" tabIndex={-1}>
        {me.data ? (
          <Boundary>
            <Pages />
          </Boundary>
        ) : me.isError ? (
          <NoSession error={me.error as Refusal} />
        ) : (
          <Loading what="who you are" />
        )}
      </main>
      <Live />
    </>
  );
}

startTheme();
const root = document.getElementById("root");
if (root) {
  void openSession().then(() =>
    createRoot(root).render(
      <StrictMode>
        <QueryClientProvider client={client}>
          <TipProvider>
            <Router base={base}>
              <Frame />
              <Protected />
            </Router>
          </TipProvider>
        </QueryClientProvider>
      </StrictMode>,
    ),
  );
}
