import { type FormEvent, useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { SelectField, TextField } from "@/ui/field";
import { Segmented } from "@/ui/segmented";
import { REASON_CHARS_MAX, timeoutOf, type Unit } from "./acts";
import { useActs } from "./useActs";

export type ActKind = "timeout" | "ban" | "warn";

/** An act with a length and a reason of one's own. */
export function ActDialog({
  channel,
  member,
  name,
  first,
  onClose,
}: {
  channel: string;
  member: string;
  name: string;
  first: ActKind;
  onClose: () => void;
}) {
  const { t } = useTranslation();
  const { act } = useActs(channel);
  const reasons = useId();
  const [kind, setKind] = useState(first);
  const [count, setCount] = useState("10");
  const [unit, setUnit] = useState<Unit>("minute");
  const [reason, setReason] = useState("");
  const [isStriking, setStriking] = useState(true);
  const [isBusy, setBusy] = useState(false);
  const seconds = timeoutOf(count, unit);
  const isWrong = kind === "timeout" && seconds === null;

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (isWrong || isBusy) return;
    setBusy(true);
    const why = reason.trim();
    const isDone =
      kind === "timeout"
        ? await act({ action: "timeout", member, seconds: seconds ?? 0, strike: isStriking }, why)
        : kind === "ban"
          ? await act({ action: "ban", member, strike: isStriking }, why)
          : await act({ action: "warn", member }, why);
    setBusy(false);
    if (isDone) onClose();
  };
  return (
    <Dialog isOpen onClose={onClose} title={t("mod.act_on", { name })}>
      <form onSubmit={submit} className="flex flex-col gap-4" data-testid="mod-dialog">
        <Segmented
          label={t("mod.kind")}
          value={kind}
          onChange={setKind}
          options={[
            { value: "timeout", label: t("mod.action.timeout") },
            { value: "ban", label: t("mod.action.ban") },
            { value: "warn", label: t("mod.action.warn") },
          ]}
        />
        {kind === "timeout" && (
          <div className="grid grid-cols-2 gap-3">
            <TextField
              label={t("mod.length")}
              inputMode="decimal"
              value={count}
              onChange={(event) => setCount(event.target.value)}
              error={isWrong ? t("mod.length_wrong") : null}
              data-testid="mod-length"
            />
            <SelectField
              label={t("mod.unit")}
              value={unit}
              onChange={(event) => setUnit(event.target.value as Unit)}
              data-testid="mod-unit"
            >
              <option value="minute">{t("mod.units.minute")}</option>
              <option value="hour">{t("mod.units.hour")}</option>
              <option value="day">{t("mod.units.day")}</option>
            </SelectField>
          </div>
        )}
        <TextField
          label={t("mod.reason")}
          hint={kind === "warn" ? t("mod.reason_warn_hint") : t("mod.reason_hint")}
          value={reason}
          onChange={(event) => setReason(event.target.value)}
          maxLength={REASON_CHARS_MAX}
          list={reasons}
          autoComplete="off"
          data-testid="mod-reason"
        />
        <datalist id={reasons}>
          <option value={t("mod.reasons.spam")} />
          <option value={t("mod.reasons.insult")} />
          <option value={t("mod.reasons.spoiler")} />
          <option value={t("mod.reasons.topic")} />
        </datalist>
        {kind !== "warn" && (
          <label className="flex min-h-8 items-center gap-2.5 text-sm">
            <input
              type="checkbox"
              checked={isStriking}
              onChange={(event) => setStriking(event.target.checked)}
              className="size-4 accent-[var(--melt)]"
            />
            {t("mod.strike")}
          </label>
        )}
        <div className="flex justify-end gap-2">
          <Button look="ghost" onClick={onClose}>
            {t("actions.cancel")}
          </Button>
          <Button type="submit" look="danger" isBusy={isBusy} disabled={isWrong} data-testid="mod-confirm">
            {t(`mod.action.${kind}`)}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
