import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { useLang } from "@/i18n/useLang";
import { Button } from "@/ui/button";
import { TextField } from "@/ui/field";
import { Segmented } from "@/ui/segmented";
import { faultOf, lastDays, lengthOf, PRESETS, presetOf, type Range, startOf } from "./numbers";

/** Which days are looked at: one of the usual lengths, or any; and whether with those before them. */
export function RangePicker({
  range,
  now,
  isCompared,
  onRange,
  onCompare,
}: {
  range: Range;
  now: number;
  isCompared: boolean;
  onRange: (next: Range) => void;
  onCompare: (isCompared: boolean) => void;
}) {
  const { t } = useTranslation();
  const lang = useLang();
  const preset = presetOf(range, now);
  const [isOwn, setOwn] = useState(preset === null);
  const [typed, setTyped] = useState(range);
  const [isAsked, setAsked] = useState(false);
  const fault = faultOf(typed);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setAsked(true);
    if (!fault) onRange(typed);
  };
  const format = new Intl.DateTimeFormat(lang, { timeZone: "UTC", dateStyle: "medium" });
  return (
    <search className="flex flex-col gap-4" aria-label={t("analytics.range.title")}>
      <div className="flex flex-wrap items-end justify-between gap-x-6 gap-y-3">
        <Segmented
          label={t("analytics.range.title")}
          value={isOwn ? "own" : String(preset ?? "own")}
          options={[
            ...PRESETS.map((count) => ({
              value: String(count),
              label: t("analytics.range.days", { count }),
            })),
            { value: "own", label: t("analytics.range.own") },
          ]}
          onChange={(value) => {
            setOwn(value === "own");
            if (value === "own") return setTyped(range);
            setAsked(false);
            onRange(lastDays(Number(value), now));
          }}
        />
        <label className="flex min-h-8 items-center gap-2.5 text-sm">
          <input
            type="checkbox"
            checked={isCompared}
            onChange={(event) => onCompare(event.target.checked)}
            className="size-4 accent-[var(--melt)]"
            data-testid="compare"
          />
          {t("analytics.range.compare", { count: lengthOf(range) })}
        </label>
      </div>
      {isOwn && (
        <form onSubmit={submit} className="flex flex-wrap items-end gap-3" noValidate>
          {(["from", "to"] as const).map((end) => (
            <div key={end} className="w-44 max-w-full">
              <TextField
                label={t(`analytics.range.${end}`)}
                type="date"
                value={typed[end]}
                onChange={(event) => setTyped({ ...typed, [end]: event.target.value })}
                required
                data-testid={`range-${end}`}
              />
            </div>
          ))}
          <Button type="submit" look="solid" className="h-11" data-testid="range-show">
            {t("analytics.range.show")}
          </Button>
          {isAsked && fault && (
            <p role="alert" className="w-full text-danger text-sm">
              {t(`analytics.range.fault.${fault}`)}
            </p>
          )}
        </form>
      )}
      <p className="text-faint text-sm">
        {t("analytics.range.shown", {
          from: format.format(startOf(range.from)),
          to: format.format(startOf(range.to)),
        })}
      </p>
    </search>
  );
}
