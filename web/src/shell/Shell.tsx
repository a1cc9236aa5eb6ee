import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { Bell as BellIcon, Compass, House, LogIn, MessageCircle, Radio } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { useSession } from "@/api/session";
import { useUnreadRooms } from "@/features/rooms/rooms";
import { Uploads } from "@/features/upload/Uploads";
import { cx } from "@/lib/cx";
import { buttonClass } from "@/ui/button";
import { Bell } from "./Bell";
import { ConnectionBanner } from "./ConnectionBanner";
import { Logo } from "./Logo";
import { Rail } from "./Rail";
import { RouteAnnouncer } from "./RouteAnnouncer";
import { SearchBox } from "./SearchBox";
import { UserMenu } from "./UserMenu";
import { useSiteEvents } from "./useSiteEvents";

/** What stands around every page but the embedded players. */
export function Shell({ children }: { children?: ReactNode }) {
  const { t } = useTranslation();
  useSiteEvents();
  return (
    <div className="flex min-h-dvh flex-col">
      <a
        href="#main"
        className="sr-only focus:not-sr-only focus:fixed focus:top-2 focus:left-2 focus:z-[90] focus:rounded-md focus:bg-melt focus:px-4 focus:py-2.5 focus:font-semibold focus:text-on-melt"
      >
        {t("nav.skip")}
      </a>
      <Header />
      <ConnectionBanner />
      <div className="flex flex-1">
        <Rail />
        <main
          id="main"
          tabIndex={-1}
          className="min-w-0 flex-1 pb-[calc(var(--bottom-h)+24px)] outline-none md:pb-10"
        >
          {children ?? <Outlet />}
        </main>
      </div>
      <Uploads />
      <BottomBar />
      <RouteAnnouncer />
    </div>
  );
}

function Header() {
  const { t } = useTranslation();
  const status = useSession((session) => session.status);
  const here = useRouterState({ select: (state) => state.location.pathname });
  const next = here === "/signin" || here === "/signup" ? undefined : here;
  return (
    <header className="sticky top-0 z-40 flex h-[var(--header-h)] items-center gap-3 border-line border-b bg-surface px-3 sm:gap-6 sm:px-5">
      <Link to="/" className="flex shrink-0 items-center rounded-sm max-sm:[&_.font-display]:sr-only">
        <Logo />
      </Link>
      <div className="flex min-w-0 flex-1 justify-center">
        <SearchBox />
      </div>
      <div className="flex shrink-0 items-center gap-1 sm:gap-2">
        {status === "signed-in" && (
          <Link to="/studio" className={buttonClass("soft", "s", "max-lg:hidden")}>
            <Radio />
            {t("nav.go_live")}
          </Link>
        )}
        {status === "signed-in" && <Bell />}
        {status === "anonymous" && (
          <>
            <Link
              to="/signin"
              search={{ next }}
              className={buttonClass("ghost", "s")}
              data-testid="header-signin"
            >
              {t("auth.signin")}
            </Link>
            <Link to="/signup" search={{ next }} className={buttonClass("solid", "s", "max-sm:hidden")}>
              {t("auth.signup")}
            </Link>
          </>
        )}
        <UserMenu />
      </div>
    </header>
  );
}

function BottomBar() {
  const { t } = useTranslation();
  const isSignedIn = useSession((session) => session.status === "signed-in");
  const unread = useUnreadRooms();
  const entry =
    "flex h-full flex-1 flex-col items-center justify-center gap-0.5 text-[11px] font-semibold text-soft data-[status=active]:text-melt [&_svg]:size-[22px]";
  return (
    <nav
      aria-label={t("nav.bottom")}
      className="fixed inset-x-0 bottom-0 z-40 flex h-[calc(var(--bottom-h)+env(safe-area-inset-bottom))] items-stretch border-line border-t bg-surface pb-[env(safe-area-inset-bottom)] md:hidden"
    >
      <Link to="/" activeOptions={{ exact: true, includeSearch: false }} className={entry}>
        <House />
        {t("nav.home")}
      </Link>
      <Link to="/browse" activeOptions={{ includeSearch: false }} className={entry}>
        <Compass />
        {t("nav.browse")}
      </Link>
      {isSignedIn ? (
        <>
          <Link to="/studio" className={entry}>
            <Radio />
            {t("nav.studio")}
          </Link>
          <Link to="/messages" className={cx(entry, "relative")}>
            <MessageCircle />
            {t("rooms.short")}
            {unread > 0 && (
              <span
                className="absolute top-2 left-1/2 ml-2 size-2.5 rounded-full bg-melt"
                data-testid="bottom-mark"
              >
                <span className="sr-only">{t("rooms.waiting", { count: unread })}</span>
              </span>
            )}
          </Link>
          <Link to="/notifications" className={entry}>
            <BellIcon />
            {t("notice.short")}
          </Link>
        </>
      ) : (
        <Link to="/signin" className={entry}>
          <LogIn />
          {t("auth.signin")}
        </Link>
      )}
    </nav>
  );
}
