// Every address of the app. Pages load when they are visited; the shell is always there.
import type { QueryClient } from "@tanstack/react-query";
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  parseSearchWith,
  stringifySearchWith,
} from "@tanstack/react-router";
import type { AuditFilter } from "@/features/admin/audit";
import { type JobFilter, QUEUES, STATES } from "@/features/admin/jobs";
import { type FileKind, type FileSort, KINDS, SORTS } from "@/features/files/api";
import { asFolder } from "@/features/files/paths";
import { TABS, type Tab } from "@/features/search/tabs";
import { Forbidden, NotFound, ServerError } from "@/routes/problems";
import { Shell } from "@/shell/Shell";

type Filter = { category?: string; q?: string };

/** The router reads "7" and "true" as what they look like. */
const text = (value: unknown): string | undefined =>
  typeof value === "number" || typeof value === "boolean" ? String(value) : asWord(value);
const asWord = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);

export const filter = (search: Record<string, unknown>): Filter => ({
  ...(text(search.category) ? { category: text(search.category) } : {}),
  ...(text(search.q) ? { q: text(search.q) } : {}),
});

/** Where to go after signing in. Only addresses of this site. */
const nextOnly = (search: Record<string, unknown>): { next?: string } => {
  const next = text(search.next);
  return next?.startsWith("/") && !next.startsWith("//") && !next.startsWith("/\\") ? { next } : {};
};

const root = createRootRouteWithContext<{ queryClient: QueryClient }>()({
  component: Outlet,
  notFoundComponent: () => (
    <Shell>
      <NotFound />
    </Shell>
  ),
});

const shell = createRoute({ getParentRoute: () => root, id: "shell", component: Shell });

const home = createRoute({
  getParentRoute: () => shell,
  path: "/",
  validateSearch: filter,
  component: lazyRouteComponent(() => import("@/routes/Home"), "Home"),
});
const browse = createRoute({
  getParentRoute: () => shell,
  path: "/browse",
  validateSearch: filter,
  component: lazyRouteComponent(() => import("@/routes/Browse"), "Browse"),
});
/** What is looked for, and of which kind. */
export const searchSearch = (search: Record<string, unknown>): { q?: string; of?: Tab } => {
  const q = text(search.q)?.trim();
  const of = TABS.find((one) => one === text(search.of));
  return { ...(q ? { q } : {}), ...(of ? { of } : {}) };
};
const searchPage = createRoute({
  getParentRoute: () => shell,
  path: "/search",
  validateSearch: searchSearch,
  component: lazyRouteComponent(() => import("@/routes/SearchPage"), "SearchPage"),
});
/** `?stream=id`: the link to an unlisted stream. */
const linkedStream = (search: Record<string, unknown>): { stream?: string } => {
  const stream = text(search.stream);
  return stream ? { stream } : {};
};
/** `?tab=clips`: what is shown below the player. */
const channelSearch = (search: Record<string, unknown>): { stream?: string; tab?: "clips" } => ({
  ...linkedStream(search),
  ...(text(search.tab) === "clips" ? { tab: "clips" } : {}),
});
const channel = createRoute({
  getParentRoute: () => shell,
  path: "/c/$username",
  validateSearch: channelSearch,
  component: lazyRouteComponent(() => import("@/routes/ChannelPage"), "ChannelPage"),
});
/** `?t=1h2m3s`: where to begin. */
const moment = (search: Record<string, unknown>): { t?: string } => {
  const t = text(search.t);
  return t ? { t } : {};
};
const vod = createRoute({
  getParentRoute: () => shell,
  path: "/v/$id",
  validateSearch: moment,
  component: lazyRouteComponent(() => import("@/routes/VodPage"), "VodPage"),
});
const clip = createRoute({
  getParentRoute: () => shell,
  path: "/clip/$id",
  component: lazyRouteComponent(() => import("@/routes/ClipPage"), "ClipPage"),
});
const signin = createRoute({
  getParentRoute: () => shell,
  path: "/signin",
  validateSearch: nextOnly,
  component: lazyRouteComponent(() => import("@/routes/SignIn"), "SignIn"),
});
const signup = createRoute({
  getParentRoute: () => shell,
  path: "/signup",
  validateSearch: nextOnly,
  component: lazyRouteComponent(() => import("@/routes/SignUp"), "SignUp"),
});
const studio = createRoute({
  getParentRoute: () => shell,
  path: "/studio",
  component: lazyRouteComponent(() => import("@/routes/Studio"), "Studio"),
});
const emotes = createRoute({
  getParentRoute: () => shell,
  path: "/studio/emotes",
  component: lazyRouteComponent(() => import("@/routes/EmotesPage"), "EmotesPage"),
});
const webhooks = createRoute({
  getParentRoute: () => shell,
  path: "/studio/webhooks",
  component: lazyRouteComponent(() => import("@/routes/WebhooksPage"), "WebhooksPage"),
});
/** Days (`2026-01-31`) and whether those before are shown beside them. */
const analyticsSearch = (
  search: Record<string, unknown>,
): { from?: string; to?: string; compare?: boolean } => ({
  ...(text(search.from) ? { from: text(search.from) } : {}),
  ...(text(search.to) ? { to: text(search.to) } : {}),
  ...(text(search.compare) === "false" ? { compare: false } : {}),
});
const analytics = createRoute({
  getParentRoute: () => shell,
  path: "/studio/analytics",
  validateSearch: analyticsSearch,
  component: lazyRouteComponent(() => import("@/routes/AnalyticsPage"), "AnalyticsPage"),
});
const streamAnalytics = createRoute({
  getParentRoute: () => shell,
  path: "/studio/analytics/$stream",
  component: lazyRouteComponent(() => import("@/routes/StreamAnalyticsPage"), "StreamAnalyticsPage"),
});
const mod = createRoute({
  getParentRoute: () => shell,
  path: "/mod/$username",
  component: lazyRouteComponent(() => import("@/routes/ModPage"), "ModPage"),
});
const settings = createRoute({
  getParentRoute: () => shell,
  path: "/settings",
  component: lazyRouteComponent(() => import("@/routes/SettingsPage"), "SettingsPage"),
});
const notifications = createRoute({
  getParentRoute: () => shell,
  path: "/notifications",
  component: lazyRouteComponent(() => import("@/routes/NotificationsPage"), "NotificationsPage"),
});
const friends = createRoute({
  getParentRoute: () => shell,
  path: "/friends",
  component: lazyRouteComponent(() => import("@/routes/FriendsPage"), "FriendsPage"),
});
/** `?token=`: what a link in a mail carries. */
const tokenOnly = (search: Record<string, unknown>): { token?: string } => {
  const token = text(search.token);
  return token ? { token } : {};
};
const unsubscribe = createRoute({
  getParentRoute: () => shell,
  path: "/unsubscribe",
  validateSearch: tokenOnly,
  component: lazyRouteComponent(() => import("@/routes/MailPages"), "Unsubscribe"),
});
const confirmMail = createRoute({
  getParentRoute: () => shell,
  path: "/confirm-mail",
  validateSearch: tokenOnly,
  component: lazyRouteComponent(() => import("@/routes/MailPages"), "ConfirmMail"),
});
const forgot = createRoute({
  getParentRoute: () => shell,
  path: "/forgot",
  component: lazyRouteComponent(() => import("@/routes/PasswordPages"), "ForgotPassword"),
});
const reset = createRoute({
  getParentRoute: () => shell,
  path: "/reset",
  validateSearch: tokenOnly,
  component: lazyRouteComponent(() => import("@/routes/PasswordPages"), "ResetPassword"),
});
const messages = createRoute({
  getParentRoute: () => shell,
  path: "/messages",
  component: lazyRouteComponent(() => import("@/routes/MessagesPage"), "MessagesPage"),
});
/** `?at=id`: a message to be shown. */
const spot = (search: Record<string, unknown>): { at?: string } => {
  const at = text(search.at);
  return at ? { at } : {};
};
const conversation = createRoute({
  getParentRoute: () => shell,
  path: "/messages/$room",
  validateSearch: spot,
  component: lazyRouteComponent(() => import("@/routes/MessagesPage"), "MessagesPage"),
});
/** Which jobs. */
export const jobSearch = (search: Record<string, unknown>): JobFilter => {
  const queue = QUEUES.find((one) => one === search.queue);
  const state = STATES.find((one) => one === search.state);
  return { ...(queue ? { queue } : {}), ...(state ? { state } : {}) };
};
const adminOverview = createRoute({
  getParentRoute: () => shell,
  path: "/admin",
  component: lazyRouteComponent(() => import("@/routes/AdminOverview"), "AdminOverview"),
});
const adminSettings = createRoute({
  getParentRoute: () => shell,
  path: "/admin/settings",
  component: lazyRouteComponent(() => import("@/routes/AdminSettings"), "AdminSettings"),
});
const adminJobs = createRoute({
  getParentRoute: () => shell,
  path: "/admin/jobs",
  validateSearch: jobSearch,
  component: lazyRouteComponent(() => import("@/routes/AdminJobs"), "AdminJobs"),
});
const adminCategories = createRoute({
  getParentRoute: () => shell,
  path: "/admin/categories",
  component: lazyRouteComponent(() => import("@/routes/AdminCategories"), "AdminCategories"),
});
/** Whom to look for, and whether only among those who are suspended. */
const memberSearch = (search: Record<string, unknown>): { q?: string; suspended?: boolean } => ({
  ...(text(search.q) ? { q: text(search.q) } : {}),
  ...(text(search.suspended) === "true" ? { suspended: true } : {}),
});
const adminMembers = createRoute({
  getParentRoute: () => shell,
  path: "/admin/members",
  validateSearch: memberSearch,
  component: lazyRouteComponent(() => import("@/routes/AdminMembers"), "AdminMembers"),
});
const adminReports = createRoute({
  getParentRoute: () => shell,
  path: "/admin/reports",
  component: lazyRouteComponent(() => import("@/routes/AdminReports"), "AdminReports"),
});
/** Which entries of the log. */
export const auditSearch = (search: Record<string, unknown>): AuditFilter => {
  const names = ["actor", "action", "entity_type", "entity_id", "since", "until"] as const;
  return Object.fromEntries(names.map((name) => [name, text(search[name])]).filter(([, word]) => word));
};
const adminAudit = createRoute({
  getParentRoute: () => shell,
  path: "/admin/audit",
  validateSearch: auditSearch,
  component: lazyRouteComponent(() => import("@/routes/AdminAudit"), "AdminAudit"),
});
/** Which files: of a folder, or found everywhere; or what was thrown away. */
export const fileSearch = (
  search: Record<string, unknown>,
): { path?: string; q?: string; kind?: FileKind; tag?: string; sort?: FileSort; trash?: boolean } => {
  const kind = KINDS.find((one) => one === text(search.kind));
  const sort = SORTS.find((one) => one === text(search.sort) && one !== "name");
  const path = asFolder(text(search.path));
  return {
    ...(path === "/" ? {} : { path }),
    ...(text(search.q) ? { q: text(search.q) } : {}),
    ...(kind ? { kind } : {}),
    ...(text(search.tag) ? { tag: text(search.tag) } : {}),
    ...(sort ? { sort } : {}),
    ...(text(search.trash) === "true" ? { trash: true } : {}),
  };
};
const files = createRoute({
  getParentRoute: () => shell,
  path: "/files",
  validateSearch: fileSearch,
  component: lazyRouteComponent(() => import("@/routes/FilesPage"), "FilesPage"),
});
const plans = createRoute({
  getParentRoute: () => shell,
  path: "/plans",
  component: lazyRouteComponent(() => import("@/routes/PlansPage"), "PlansPage"),
});
const payment = createRoute({
  getParentRoute: () => shell,
  path: "/payments/$id",
  component: lazyRouteComponent(() => import("@/routes/PaymentPage"), "PaymentPage"),
});
const adminPayments = createRoute({
  getParentRoute: () => shell,
  path: "/admin/payments",
  component: lazyRouteComponent(() => import("@/routes/AdminPayments"), "AdminPayments"),
});
const sharedLinks = createRoute({
  getParentRoute: () => shell,
  path: "/files/shared",
  component: lazyRouteComponent(() => import("@/routes/SharedLinksPage"), "SharedLinksPage"),
});
/** `?path=/a/`: where in a shared folder. */
const below = (search: Record<string, unknown>): { path?: string } => {
  const path = asFolder(text(search.path));
  return path === "/" ? {} : { path };
};
const share = createRoute({
  getParentRoute: () => shell,
  path: "/share/$token",
  validateSearch: below,
  component: lazyRouteComponent(() => import("@/routes/SharePage"), "SharePage"),
});
const forbidden = createRoute({ getParentRoute: () => shell, path: "/403", component: Forbidden });
const broken = createRoute({ getParentRoute: () => shell, path: "/500", component: ServerErrorPage });

const FONT_PX = { min: 10, max: 96 };

const embedSearch = (
  search: Record<string, unknown>,
): { autoplay?: boolean; muted?: boolean; t?: string } => ({
  ...moment(search),
  ...(search.autoplay === false || search.autoplay === 0 ? { autoplay: false } : {}),
  ...(search.muted === true || search.muted === 1 ? { muted: true } : {}),
});
const embedChannel = createRoute({
  getParentRoute: () => root,
  path: "/embed/c/$username",
  validateSearch: embedSearch,
  component: lazyRouteComponent(() => import("@/routes/Embed"), "EmbedChannel"),
});
const embedVod = createRoute({
  getParentRoute: () => root,
  path: "/embed/v/$id",
  validateSearch: embedSearch,
  component: lazyRouteComponent(() => import("@/routes/Embed"), "EmbedVod"),
});

const embedClip = createRoute({
  getParentRoute: () => root,
  path: "/embed/clip/$id",
  validateSearch: embedSearch,
  component: lazyRouteComponent(() => import("@/routes/Embed"), "EmbedClip"),
});

/** `?transparent=1&font=28`: laid over a picture, and how large. */
export const popOutSearch = (
  search: Record<string, unknown>,
): { transparent?: boolean; font?: number; stream?: string } => {
  const font = Number(search.font);
  return {
    ...linkedStream(search),
    ...(["1", "true"].includes(text(search.transparent) ?? "") ? { transparent: true } : {}),
    ...(font >= FONT_PX.min && font <= FONT_PX.max ? { font } : {}),
  };
};
const popOut = createRoute({
  getParentRoute: () => root,
  path: "/popout/$username/chat",
  validateSearch: popOutSearch,
  component: lazyRouteComponent(() => import("@/routes/PopOut"), "PopOut"),
});

function ServerErrorPage() {
  return <ServerError />;
}

const tree = root.addChildren([
  shell.addChildren([
    home,
    browse,
    searchPage,
    channel,
    vod,
    clip,
    signin,
    signup,
    studio,
    emotes,
    webhooks,
    analytics,
    streamAnalytics,
    mod,
    settings,
    notifications,
    friends,
    files,
    plans,
    payment,
    sharedLinks,
    share,
    unsubscribe,
    confirmMail,
    forgot,
    reset,
    messages,
    conversation,
    adminOverview,
    adminSettings,
    adminJobs,
    adminCategories,
    adminMembers,
    adminReports,
    adminAudit,
    adminPayments,
    forbidden,
    broken,
  ]),
  embedChannel,
  embedVod,
  embedClip,
  popOut,
]);

export function newRouter(queryClient: QueryClient) {
  return createRouter({
    routeTree: tree,
    context: { queryClient },
    defaultPreload: "intent",
    // Values are words, not JSON: a search for "8e56" is not one for a number.
    parseSearch: parseSearchWith((value) => value),
    stringifySearch: stringifySearchWith(JSON.stringify),
    scrollRestoration: true,
    defaultErrorComponent: ({ error, reset }) => <ServerError error={error} onRetry={reset} />,
    defaultNotFoundComponent: NotFound,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof newRouter>;
  }
}
