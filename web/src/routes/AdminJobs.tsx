import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { Ban, ChevronDown, Pause, Play, RotateCw } from "lucide-react";
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { AdminNav } from "@/features/admin/AdminNav";
import {
  type AdminJob,
  type AdminQueue,
  actOnJob,
  actsOn,
  type JobAct,
  type JobFilter,
  jobs,
  pauseQueue,
  QUEUES,
  queues,
  resumeQueue,
  STATES,
} from "@/features/admin/jobs";
import { Reason } from "@/features/admin/Reason";
import { errorText } from "@/i18n/errorText";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { ago, clock, whole } from "@/lib/time";
import { PageHead } from "@/shell/PageHead";
import { Empty, ErrorState, Skeleton, Tag } from "@/ui/bits";
import { Button, IconButton } from "@/ui/button";
import { SelectField } from "@/ui/field";
import { More } from "@/ui/more";
import { toast } from "@/ui/toast";
import { Forbidden } from "./problems";
import { RequireUser } from "./RequireUser";

const route = getRouteApi("/shell/admin/jobs");

export function AdminJobs() {
  return (
    <RequireUser>
      {(user) =>
        user.role === "admin" ? (
          <>
            <AdminNav user={user} />
            <Desk />
          </>
        ) : (
          <Forbidden />
        )
      }
    </RequireUser>
  );
}

function Desk() {
  const { t } = useTranslation();
  return (
    <div className="container-page flex max-w-[1100px] flex-col gap-6 pt-8">
      <div className="-mb-6">
        <PageHead title={t("admin.jobs.title")} />
      </div>
      <Queues />
      <Jobs />
    </div>
  );
}

/** A card for each queue. */
function Queues() {
  const { t } = useTranslation();
  const query = useQuery(queues());
  if (query.isPending) return <Skeleton className="h-44" />;
  if (!query.data) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />;
  return (
    <ul className="grid gap-4 md:grid-cols-3" aria-label={t("admin.jobs.queues")}>
      {query.data.items.map((queue) => (
        <Card key={queue.name} queue={queue} />
      ))}
    </ul>
  );
}

const SUMS = ["waiting", "running", "scheduled", "failing", "dead"] as const;

function Card({ queue }: { queue: AdminQueue }) {
  const { t } = useTranslation();
  const lang = useLang();
  const client = useQueryClient();
  const [isAsking, setAsking] = useState(false);
  const name = t(`admin.jobs.queue.${queue.name}`);
  const refresh = () => client.invalidateQueries({ queryKey: ["admin", "queues"] });
  const resume = useMutation({
    mutationFn: () => resumeQueue(queue.name),
    onSuccess: () => toast({ kind: "good", title: t("admin.jobs.did_resume", { name }) }),
    onError: (error) => toast({ kind: "error", title: errorText(t, error) }),
    onSettled: refresh,
  });
  return (
    <li
      className="flex flex-col gap-3 rounded-lg border border-line bg-surface px-5 py-4"
      data-testid="queue"
      data-queue={queue.name}
      data-paused={queue.pause !== null}
    >
      <div className="flex items-start justify-between gap-3">
        <div>
          <h2 className="font-bold text-lg leading-tight">{name}</h2>
          <p className="text-soft text-sm">{t(`admin.jobs.about.${queue.name}`)}</p>
        </div>
        {queue.pause ? (
          <Button
            size="s"
            look="solid"
            onClick={() => resume.mutate()}
            isBusy={resume.isPending}
            aria-label={t("admin.jobs.resume_named", { name })}
            data-testid="resume"
          >
            <Play />
            {t("admin.jobs.resume")}
          </Button>
        ) : (
          <Button
            size="s"
            onClick={() => setAsking(true)}
            aria-label={t("admin.jobs.pause_named", { name })}
            data-testid="pause"
          >
            <Pause />
            {t("admin.jobs.pause")}
          </Button>
        )}
      </div>
      {queue.pause && (
        <p className="text-melt text-sm [overflow-wrap:anywhere]" data-testid="paused">
          {t("admin.jobs.paused_by", { name: queue.pause.by, ago: ago(queue.pause.at, lang) })}
          {` · ${queue.pause.reason}`}
        </p>
      )}
      <dl className="grid grid-cols-2 gap-x-4 gap-y-1 text-sm">
        {SUMS.map((sum) => (
          <div key={sum} className="flex justify-between gap-2">
            <dt className="text-soft">{t(`admin.jobs.state.${sum}`)}</dt>
            <dd
              className={cx("tabular font-semibold", sum === "dead" && queue.dead > 0 && "text-danger")}
              data-testid={`sum-${sum}`}
            >
              {whole(queue[sum], lang)}
            </dd>
          </div>
        ))}
        {queue.oldest_waiting_s != null && (
          <div className="flex justify-between gap-2">
            <dt className="text-soft">{t("admin.jobs.oldest")}</dt>
            <dd className="tabular font-semibold">{clock(queue.oldest_waiting_s)}</dd>
          </div>
        )}
      </dl>
      {isAsking && (
        <Reason
          title={t("admin.jobs.pause_named", { name })}
          text={t("admin.jobs.pause_text")}
          hint={t("admin.jobs.reason_hint")}
          confirm={t("admin.jobs.pause")}
          done={t("admin.jobs.did_pause", { name })}
          act={(reason) => pauseQueue(queue.name, reason)}
          onSettled={refresh}
          onClose={() => setAsking(false)}
        />
      )}
    </li>
  );
}

/** What is in the queues, the newest first. */
function Jobs() {
  const { t } = useTranslation();
  const filter: JobFilter = route.useSearch();
  const navigate = route.useNavigate();
  const query = useInfiniteQuery(jobs(filter));
  const items = query.data?.pages.flatMap((page) => page.items) ?? [];
  const set = (change: JobFilter) =>
    void navigate({ search: (old: JobFilter) => ({ ...old, ...change }), replace: true });
  const isFiltered = filter.queue !== undefined || filter.state !== undefined;
  return (
    <>
      <search className="grid grid-cols-2 gap-3 sm:max-w-[480px]" aria-label={t("admin.jobs.filters")}>
        <SelectField
          label={t("admin.jobs.of_queue")}
          value={filter.queue ?? ""}
          onChange={(event) => set({ queue: QUEUES.find((one) => one === event.target.value) })}
          data-testid="job-queue"
        >
          <option value="">{t("admin.jobs.all_queues")}</option>
          {QUEUES.map((one) => (
            <option key={one} value={one}>
              {t(`admin.jobs.queue.${one}`)}
            </option>
          ))}
        </SelectField>
        <SelectField
          label={t("admin.jobs.of_state")}
          value={filter.state ?? ""}
          onChange={(event) => set({ state: STATES.find((one) => one === event.target.value) })}
          data-testid="job-state"
        >
          <option value="">{t("admin.jobs.open")}</option>
          {STATES.map((one) => (
            <option key={one} value={one}>
              {t(`admin.jobs.state.${one}`)}
            </option>
          ))}
        </SelectField>
      </search>
      {query.isPending && <Skeleton className="h-56" />}
      {query.isError && !query.data && (
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      )}
      {query.data && items.length === 0 && (
        <Empty
          title={isFiltered ? t("admin.jobs.none_found") : t("admin.jobs.none")}
          action={
            isFiltered && <Button onClick={() => void navigate({ search: {} })}>{t("admin.jobs.all")}</Button>
          }
        />
      )}
      {items.length > 0 && (
        <ul className="flex flex-col gap-2" aria-label={t("admin.jobs.title")} data-testid="jobs">
          {items.map((job) => (
            <Row key={job.id} job={job} />
          ))}
        </ul>
      )}
      <More list={query} className="mb-6 self-center" />
    </>
  );
}

const ICONS = { retry: RotateCw, run: Play, cancel: Ban } as const;

function Row({ job }: { job: AdminJob }) {
  const { t } = useTranslation();
  const lang = useLang();
  const id = useId();
  const client = useQueryClient();
  const [isOpen, setOpen] = useState(false);
  const when = new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "medium" });
  const act = useMutation({
    mutationFn: (what: JobAct) => actOnJob(job.id, what),
    onSuccess: (_, what) => toast({ kind: "good", title: t(`admin.jobs.did_${what}`, { name: job.job }) }),
    onError: (error) => toast({ kind: "error", title: errorText(t, error) }),
    onSettled: () => client.invalidateQueries({ queryKey: ["admin"] }),
  });
  return (
    <li
      className="rounded-md border border-line bg-surface px-4 py-3 text-sm"
      data-testid="job"
      data-id={job.id}
      data-state={job.state}
    >
      <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
        <div className="min-w-0 flex-1 basis-56">
          <p className="flex flex-wrap items-center gap-x-2 gap-y-1">
            <span className="font-mono font-semibold [overflow-wrap:anywhere]">{job.job}</span>
            <Tag>
              <span className={cx(job.state === "dead" && "text-danger")}>
                {t(`admin.jobs.state.${job.state}`)}
              </span>
            </Tag>
            {job.queue && <span className="text-faint">{t(`admin.jobs.queue.${job.queue}`)}</span>}
          </p>
          <p className="tabular text-soft">
            {t("admin.jobs.tried", { count: job.attempts, max: job.attempts_max })}
            {` · ${t("admin.jobs.due", { at: when.format(new Date(job.run_at)) })}`}
          </p>
          {job.error && (
            <p className="line-clamp-2 text-danger [overflow-wrap:anywhere]" data-testid="job-error">
              {job.error}
            </p>
          )}
        </div>
        <div className="flex items-center gap-1">
          {actsOn(job.state).map((what) => {
            const Icon = ICONS[what];
            return (
              <IconButton
                key={what}
                look="ghost"
                label={t(`admin.jobs.${what}_named`, { name: job.job })}
                hint={t(`admin.jobs.${what}`)}
                onClick={() => act.mutate(what)}
                isBusy={act.isPending && act.variables === what}
                data-testid={`job-${what}`}
              >
                <Icon />
              </IconButton>
            );
          })}
          <IconButton
            look="ghost"
            label={t("admin.jobs.details_of", { name: job.job })}
            hint={t("admin.jobs.details")}
            aria-expanded={isOpen}
            aria-controls={id}
            onClick={() => setOpen(!isOpen)}
            data-testid="job-details"
          >
            <ChevronDown className={cx("transition-transform", isOpen && "rotate-180")} />
          </IconButton>
        </div>
      </div>
      <div id={id} hidden={!isOpen}>
        {isOpen && (
          <dl className="mt-3 grid gap-x-6 gap-y-2 border-line border-t pt-3 sm:grid-cols-[auto_1fr]">
            <dt className="text-soft">{t("admin.jobs.id")}</dt>
            <dd className="font-mono [overflow-wrap:anywhere]">{job.id}</dd>
            {(["taken_at", "done_at"] as const).map(
              (field) =>
                job[field] && (
                  <div key={field} className="contents">
                    <dt className="text-soft">{t(`admin.jobs.${field}`)}</dt>
                    <dd className="tabular">{when.format(new Date(job[field]))}</dd>
                  </div>
                ),
            )}
            {job.error && (
              <>
                <dt className="text-soft">{t("admin.jobs.error")}</dt>
                <dd className="[overflow-wrap:anywhere]">{job.error}</dd>
              </>
            )}
            <dt className="text-soft">{t("admin.jobs.payload")}</dt>
            <dd>
              <pre className="overflow-x-auto whitespace-pre-wrap rounded-sm bg-sunken p-3 font-mono text-xs [overflow-wrap:anywhere]">
                {job.payload === null ? t("admin.jobs.no_payload") : JSON.stringify(job.payload, null, 2)}
              </pre>
            </dd>
          </dl>
        )}
      </div>
    </li>
  );
}
