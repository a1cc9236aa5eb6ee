import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CircleAlert, CircleCheck, CircleX } from "lucide-react";
import { useTranslation } from "react-i18next";
import { AdminNav } from "@/features/admin/AdminNav";
import { type Light, type Overview, overview } from "@/features/admin/console";
import { LiveStreams } from "@/features/admin/LiveStreams";
import { bytes } from "@/features/vod/keeping";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { whole } from "@/lib/time";
import { PageHead } from "@/shell/PageHead";
import { ErrorState, SectionHead, Skeleton } from "@/ui/bits";
import { Forbidden } from "./problems";
import { RequireUser } from "./RequireUser";

export function AdminOverview() {
  return (
    <RequireUser>
      {(user) =>
        user.role === "user" ? (
          <Forbidden />
        ) : (
          <>
            <AdminNav user={user} />
            <Page isAdmin={user.role === "admin"} />
          </>
        )
      }
    </RequireUser>
  );
}

/** Moderators see what is live; how the site does is for administrators. */
function Page({ isAdmin }: { isAdmin: boolean }) {
  const { t } = useTranslation();
  return (
    <div className="container-page flex max-w-[1100px] flex-col gap-9 pt-8 pb-8">
      <div className="-mb-9">
        <PageHead title={t("admin.overview.title")} />
      </div>
      <LiveStreams />
      {isAdmin && <Site />}
    </div>
  );
}

function Site() {
  const { t } = useTranslation();
  const query = useQuery(overview());
  if (query.isPending) return <Skeleton className="h-72" />;
  if (!query.data) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />;
  return (
    <>
      <Lights lights={query.data.lights} />
      <Sums seen={query.data} />
      <p className="text-faint text-sm" data-testid="version">
        {t("admin.overview.version", { version: query.data.version, node: query.data.node })}
      </p>
    </>
  );
}

const LOOKS = {
  ok: { Icon: CircleCheck, colour: "text-good" },
  warn: { Icon: CircleAlert, colour: "text-melt" },
  fail: { Icon: CircleX, colour: "text-danger" },
} as const;

/** What the site needs, and whether it is there. */
function Lights({ lights }: { lights: Light[] }) {
  const { t } = useTranslation();
  return (
    <section>
      <SectionHead title={t("admin.overview.lights")} />
      <ul className="grid gap-2 sm:grid-cols-2 lg:grid-cols-3" aria-label={t("admin.overview.lights")}>
        {lights.map((light) => {
          const { Icon, colour } = LOOKS[light.state];
          return (
            <li
              key={light.name}
              className="flex gap-3 rounded-md border border-line bg-surface px-4 py-3 text-sm"
              data-testid="light"
              data-name={light.name}
              data-state={light.state}
            >
              <Icon className={cx("mt-0.5 size-5 shrink-0", colour)} aria-hidden="true" />
              <div className="min-w-0 [overflow-wrap:anywhere]">
                <p className="font-semibold">
                  {t(`admin.overview.light.${light.name}` as never, { defaultValue: light.name }) as string}
                  <span className="sr-only">{`: ${t(`admin.overview.state.${light.state}`)}`}</span>
                </p>
                <p className="text-soft">{light.detail}</p>
                {light.hint && <p className="text-faint">{light.hint}</p>}
              </div>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

const SUMS = [
  "members",
  "suspended",
  "recordings",
  "clips",
  "files",
  "open_reports",
  "waiting_payments",
] as const;
/** Where what waits is decided. */
const DESKS = { open_reports: "/admin/reports", waiting_payments: "/admin/payments" } as const;
const JOBS = ["waiting", "running", "failing", "dead", "paused_queues"] as const;
const STORAGE = ["live_bytes", "recording_bytes", "import_bytes", "file_bytes", "attachment_bytes"] as const;

function Sums({ seen }: { seen: Overview }) {
  const { t } = useTranslation();
  const lang = useLang();
  const total = STORAGE.reduce((sum, field) => sum + seen.storage[field], 0);
  return (
    <div className="grid gap-6 md:grid-cols-3">
      <Card title={t("admin.overview.storage")} note={bytes(total, lang)}>
        {STORAGE.map((field) => (
          <Line
            key={field}
            label={t(`admin.overview.of.${field}`)}
            value={bytes(seen.storage[field], lang)}
            testId={field}
          />
        ))}
      </Card>
      <Card title={t("admin.jobs.title")} to="/admin/jobs">
        {seen.jobs ? (
          JOBS.map((field) => (
            <Line
              key={field}
              label={t(`admin.overview.of.${field}`)}
              value={whole(seen.jobs?.[field] ?? 0, lang)}
              isBad={field === "dead" && (seen.jobs?.dead ?? 0) > 0}
              testId={`jobs-${field}`}
            />
          ))
        ) : (
          <p className="text-soft">{t("admin.overview.no_jobs")}</p>
        )}
      </Card>
      <Card title={t("admin.overview.sums")}>
        {SUMS.map((field) => (
          <Line
            key={field}
            label={t(`admin.overview.of.${field}`)}
            value={whole(seen.sums[field], lang)}
            to={field in DESKS ? DESKS[field as keyof typeof DESKS] : undefined}
            testId={`sum-${field}`}
          />
        ))}
      </Card>
    </div>
  );
}

function Card({
  title,
  note,
  to,
  children,
}: {
  title: string;
  note?: string;
  to?: "/admin/jobs";
  children: React.ReactNode;
}) {
  return (
    <section className="rounded-lg border border-line bg-surface px-5 py-4">
      <div className="mb-3 flex items-baseline justify-between gap-3">
        <h2 className="font-bold text-lg">
          {to ? (
            <Link to={to} className="underline-offset-4 hover:underline">
              {title}
            </Link>
          ) : (
            title
          )}
        </h2>
        {note && <p className="tabular font-semibold">{note}</p>}
      </div>
      <dl className="flex flex-col gap-1 text-sm">{children}</dl>
    </section>
  );
}

function Line({
  label,
  value,
  isBad = false,
  to,
  testId,
}: {
  label: string;
  value: string;
  isBad?: boolean;
  to?: (typeof DESKS)[keyof typeof DESKS];
  testId: string;
}) {
  return (
    <div className="flex justify-between gap-3">
      <dt className="text-soft">
        {to ? (
          <Link to={to} className="underline underline-offset-4">
            {label}
          </Link>
        ) : (
          label
        )}
      </dt>
      <dd className={cx("tabular font-semibold", isBad && "text-danger")} data-testid={testId}>
        {value}
      </dd>
    </div>
  );
}
