import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { ChevronDown } from "lucide-react";
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { AdminNav } from "@/features/admin/AdminNav";
import {
  ACTIONS,
  type AuditEntry,
  type AuditFilter,
  auditCsv,
  auditLog,
  ENTITY_TYPES,
} from "@/features/admin/audit";
import { CsvButton } from "@/features/analytics/CsvButton";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { useTyped } from "@/lib/useTyped";
import { PageHead } from "@/shell/PageHead";
import { Empty, ErrorState, Skeleton } from "@/ui/bits";
import { Button, IconButton } from "@/ui/button";
import { SelectField, TextField } from "@/ui/field";
import { More } from "@/ui/more";
import { Forbidden } from "./problems";
import { RequireUser } from "./RequireUser";

const route = getRouteApi("/shell/admin/audit");

export function AdminAudit() {
  return (
    <RequireUser>
      {(user) =>
        user.role === "admin" ? (
          <>
            <AdminNav user={user} />
            <Log />
          </>
        ) : (
          <Forbidden />
        )
      }
    </RequireUser>
  );
}

/** Who did what to what, the latest first. */
function Log() {
  const { t } = useTranslation();
  const filter: AuditFilter = route.useSearch();
  const navigate = route.useNavigate();
  const query = useInfiniteQuery(auditLog(filter));
  const items = query.data?.pages.flatMap((page) => page.items) ?? [];
  const set = (change: AuditFilter) =>
    void navigate({ search: (old: AuditFilter) => ({ ...old, ...change }), replace: true });
  const isFiltered = Object.values(filter).some(Boolean);
  return (
    <div className="container-page flex max-w-[1100px] flex-col gap-6 pt-8">
      <div className="-mb-6">
        <PageHead title={t("admin.audit.title")}>
          <CsvButton label={t("admin.audit.csv")} name="audit" ask={() => auditCsv(filter)} />
        </PageHead>
      </div>
      <search
        className="grid grid-cols-2 gap-3 lg:grid-cols-3 [&>*]:min-w-0"
        aria-label={t("admin.audit.filters")}
      >
        <Typed
          label={t("admin.audit.actor")}
          value={filter.actor}
          onSet={(actor) => set({ actor })}
          id="actor"
        />
        <SelectField
          label={t("admin.audit.act")}
          value={filter.action ?? ""}
          onChange={(event) => set({ action: event.target.value || undefined })}
          data-testid="audit-action"
        >
          <option value="">{t("admin.audit.any")}</option>
          {ACTIONS.map((one) => (
            <option key={one} value={one}>
              {t(`admin.audit.action.${key(one)}`)}
            </option>
          ))}
        </SelectField>
        <SelectField
          label={t("admin.audit.entity_type")}
          value={filter.entity_type ?? ""}
          onChange={(event) => set({ entity_type: event.target.value || undefined })}
          data-testid="audit-type"
        >
          <option value="">{t("admin.audit.any")}</option>
          {ENTITY_TYPES.map((one) => (
            <option key={one} value={one}>
              {t(`admin.audit.type.${one}`)}
            </option>
          ))}
        </SelectField>
        <Typed
          label={t("admin.audit.entity_id")}
          value={filter.entity_id}
          onSet={(entity_id) => set({ entity_id })}
          id="entity"
        />
        {(["since", "until"] as const).map((end) => (
          <TextField
            key={end}
            label={t(`admin.audit.${end}`)}
            type="date"
            value={filter[end] ?? ""}
            onChange={(event) => set({ [end]: event.target.value || undefined })}
            data-testid={`audit-${end}`}
          />
        ))}
      </search>
      {query.isPending && <Skeleton className="h-72" />}
      {query.isError && !query.data && (
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      )}
      {query.data && items.length === 0 && (
        <Empty
          title={isFiltered ? t("admin.audit.none_found") : t("admin.audit.none")}
          action={
            isFiltered && (
              <Button onClick={() => void navigate({ search: {} })}>{t("admin.audit.all")}</Button>
            )
          }
        />
      )}
      {items.length > 0 && <Table items={items} onLook={set} />}
      <More list={query} className="self-center" />
    </div>
  );
}

/** The words are keys, in which a dot would be a step down. */
const key = <T extends string>(word: T) =>
  word.replace(".", "-") as T extends `${infer Thing}.${infer Act}` ? `${Thing}-${Act}` : T;

/** A field whose word becomes the filter once its writer rests; what the address says shows in it. */
function Typed({
  label,
  value = "",
  onSet,
  id,
}: {
  label: string;
  value?: string;
  onSet: (word: string | undefined) => void;
  id: string;
}) {
  const [typed, setTyped] = useTyped(value, onSet);
  return (
    <TextField
      label={label}
      value={typed}
      onChange={(event) => setTyped(event.target.value)}
      type="search"
      autoComplete="off"
      autoCapitalize="none"
      spellCheck={false}
      maxLength={64}
      data-testid={`audit-${id}`}
    />
  );
}

/** Rows on a wide page, cards on a phone. */
function Table({ items, onLook }: { items: AuditEntry[]; onLook: (change: AuditFilter) => void }) {
  const { t } = useTranslation();
  return (
    <table
      className="w-full table-fixed overflow-hidden rounded-lg border border-line bg-surface text-sm max-md:block"
      data-testid="audit-table"
    >
      <caption className="sr-only">{t("admin.audit.title")}</caption>
      <thead className="bg-raised text-left max-md:sr-only">
        <tr>
          {(["at", "actor", "act", "entity"] as const).map((column) => (
            <th key={column} scope="col" className="px-4 py-2.5 font-semibold">
              {t(`admin.audit.${column}`)}
            </th>
          ))}
          <th scope="col" className="w-16 px-4">
            <span className="sr-only">{t("admin.audit.details")}</span>
          </th>
        </tr>
      </thead>
      <tbody className="max-md:block">
        {items.map((entry) => (
          <Row key={entry.id} entry={entry} onLook={onLook} />
        ))}
      </tbody>
    </table>
  );
}

const cell = "px-4 py-3 align-top [overflow-wrap:anywhere] max-md:block max-md:px-0 max-md:py-0.5";
const link = "text-left text-melt underline-offset-4 hover:underline";

function Row({ entry, onLook }: { entry: AuditEntry; onLook: (change: AuditFilter) => void }) {
  const { t } = useTranslation();
  const lang = useLang();
  const id = useId();
  const [isOpen, setOpen] = useState(false);
  const when = new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "medium" });
  // A later release may know more words than this page.
  const act = t(`admin.audit.action.${key(entry.action)}`, { defaultValue: entry.action });
  const type = t(`admin.audit.type.${entry.entity_type}`, { defaultValue: entry.entity_type });
  const actor =
    entry.actor_kind === "user"
      ? (entry.actor ?? "")
      : t(`admin.audit.who.${entry.actor}`, { defaultValue: entry.actor ?? "" });
  const { entity_type, entity_id } = entry;
  return (
    <>
      <tr
        className="border-line border-t max-md:relative max-md:block max-md:px-4 max-md:py-3 max-md:pr-16"
        data-testid="audit-entry"
        data-action={entry.action}
      >
        <td className={cx(cell, "tabular text-soft max-md:text-xs")}>
          <time dateTime={entry.at}>{when.format(new Date(entry.at))}</time>
        </td>
        <td className={cell}>
          <button
            type="button"
            className={link}
            onClick={() => onLook({ actor: entry.actor ?? undefined })}
            aria-label={t("admin.audit.only_actor", { name: actor })}
          >
            {actor}
          </button>
        </td>
        <td className={cx(cell, "font-semibold")}>{act}</td>
        <td className={cell}>
          <button
            type="button"
            className={link}
            onClick={() => onLook({ entity_type, entity_id })}
            aria-label={t("admin.audit.only_entity", { name: `${type} ${entry.entity}` })}
          >
            {entry.entity || type}
          </button>
          <span className="block text-faint text-xs">
            {entry.entity && type}
            {entry.member &&
              entry.member !== entry.entity &&
              ` · ${t("channel.handle", { username: entry.member })}`}
          </span>
        </td>
        <td className={cx(cell, "text-right max-md:absolute max-md:top-3 max-md:right-3")}>
          <IconButton
            look="ghost"
            label={t("admin.audit.details_of", { act, name: entry.entity || type })}
            aria-expanded={isOpen}
            aria-controls={isOpen ? id : undefined}
            onClick={() => setOpen(!isOpen)}
            data-testid="audit-expand"
          >
            <ChevronDown className={cx("transition-transform", isOpen && "rotate-180")} />
          </IconButton>
        </td>
      </tr>
      {isOpen && (
        <tr id={id} className="bg-sunken max-md:block">
          <td colSpan={5} className="px-4 py-3 max-md:block">
            <Details entry={entry} />
          </td>
        </tr>
      )}
    </>
  );
}

function Details({ entry }: { entry: AuditEntry }) {
  const { t } = useTranslation();
  const facts = [
    [t("mod.reason"), entry.reason],
    [t("admin.audit.address"), entry.address],
    [t("admin.audit.entity_id"), entry.entity_id],
    [t("admin.audit.id"), entry.id],
  ].filter((fact): fact is [string, string] => Boolean(fact[1]));
  const details = Object.keys(entry.details).length > 0 ? JSON.stringify(entry.details, null, 2) : "";
  return (
    <div className="flex flex-col gap-3" data-testid="audit-details">
      <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1">
        {facts.map(([name, value]) => (
          <div key={name} className="contents">
            <dt className="text-soft">{name}</dt>
            <dd className="[overflow-wrap:anywhere]">{value}</dd>
          </div>
        ))}
      </dl>
      {details && (
        <pre className="whitespace-pre-wrap rounded-md bg-raised p-3 font-mono text-xs [overflow-wrap:anywhere]">
          {details}
        </pre>
      )}
    </div>
  );
}
