import { useQuery } from "@tanstack/react-query";
import { Plus, X } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { ApiError } from "@/api/errors";
import { errorText } from "@/i18n/errorText";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { SelectField, TextField } from "@/ui/field";
import { toast } from "@/ui/toast";
import { filters, type NewFilter, useFilterChange } from "./queries";

const PATTERN_CHARS_MAX = 200;
const EMPTY: NewFilter = { kind: "words", pattern: "", action: "refuse" };

/** What may not be said here. */
export function FiltersPanel({ channel }: { channel: string }) {
  const { t } = useTranslation();
  const query = useQuery(filters(channel));
  const { add, remove } = useFilterChange(channel);
  const [wanted, setWanted] = useState(EMPTY);
  const fault = add.error ? ApiError.of(add.error) : null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const pattern = wanted.pattern.trim();
    if (!pattern || add.isPending) return;
    add.mutate({ ...wanted, pattern }, { onSuccess: () => setWanted({ ...wanted, pattern: "" }) });
  };
  return (
    <>
      <form onSubmit={submit} className="mb-4 flex flex-col gap-3">
        <TextField
          label={t("mod.filters.pattern")}
          hint={wanted.kind === "words" ? t("mod.filters.words_hint") : t("mod.filters.regex_hint")}
          error={
            fault && (fault.fields.find(({ field }) => field === "pattern")?.message ?? errorText(t, fault))
          }
          value={wanted.pattern}
          onChange={(event) => {
            add.reset();
            setWanted({ ...wanted, pattern: event.target.value });
          }}
          maxLength={PATTERN_CHARS_MAX}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          data-testid="filter-pattern"
        />
        <div className="grid gap-3 @xs:grid-cols-2">
          <SelectField
            label={t("mod.filters.kind")}
            value={wanted.kind}
            onChange={({ target }) => setWanted({ ...wanted, kind: target.value as NewFilter["kind"] })}
            data-testid="filter-kind"
          >
            <option value="words">{t("mod.filters.words")}</option>
            <option value="regex">{t("mod.filters.regex")}</option>
          </SelectField>
          <SelectField
            label={t("mod.filters.action")}
            value={wanted.action}
            onChange={({ target }) => setWanted({ ...wanted, action: target.value as NewFilter["action"] })}
            data-testid="filter-action"
          >
            <option value="refuse">{t("mod.filters.refuse")}</option>
            <option value="hold">{t("mod.filters.hold")}</option>
          </SelectField>
        </div>
        <Button
          type="submit"
          size="s"
          className="self-start"
          isBusy={add.isPending}
          disabled={!wanted.pattern.trim()}
          data-testid="filter-add"
        >
          <Plus />
          {t("mod.filters.add")}
        </Button>
      </form>
      {query.isPending && <Skeleton className="h-20" />}
      {query.isError && !query.data && (
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      )}
      {query.data?.items.length === 0 && <p className="text-faint text-sm">{t("mod.filters.empty")}</p>}
      <ul className="flex flex-col gap-1" aria-label={t("mod.filters.title")}>
        {query.data?.items.map((filter) => (
          <li
            key={filter.id}
            className="flex items-center gap-2 text-sm"
            data-testid="filter"
            data-pattern={filter.pattern}
          >
            <span className="min-w-0 flex-1 [overflow-wrap:anywhere]">
              <code className="rounded-sm bg-sunken px-1.5 py-0.5 font-mono text-[13px]">
                {filter.pattern}
              </code>
              <span className="ml-2 text-faint text-xs">
                {filter.kind === "regex" ? t("mod.filters.regex") : t("mod.filters.words")}
                {" · "}
                {filter.action === "hold" ? t("mod.filters.hold") : t("mod.filters.refuse")}
              </span>
            </span>
            <Button
              look="ghost"
              size="icon-s"
              onClick={() =>
                remove.mutate(filter.id, {
                  onError: (error) => toast({ kind: "error", title: errorText(t, error) }),
                })
              }
              aria-label={t("mod.filters.remove", { pattern: filter.pattern })}
              data-testid="filter-remove"
            >
              <X />
            </Button>
          </li>
        ))}
      </ul>
    </>
  );
}
