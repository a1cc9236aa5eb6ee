import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import type { ChatModes, ModDeed } from "@/api/types";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { Spinner } from "@/ui/button";
import { SelectField } from "@/ui/field";
import { useActs } from "./useActs";
import { span } from "./words";

const SLOW = [3, 5, 10, 30, 60, 300];
const FOLLOWS = [0, 600, 1_800, 3_600, 86_400, 604_800, 2_592_000];

/** How the chat is run. Each change holds at once. */
export function ModesPanel({ channel, modes }: { channel: string; modes: ChatModes }) {
  const { t } = useTranslation();
  const lang = useLang();
  const { act } = useActs(channel);
  const [busy, setBusy] = useState<string | null>(null);
  const change = async (what: string, deed: ModDeed) => {
    setBusy(what);
    await act(deed);
    setBusy(null);
  };
  const set = (what: string, to: ChatModes) => void change(what, { action: "modes", modes: to });
  const isShielded = Boolean(modes.shield);
  const slow = modes.slow_s ?? 0;
  const follows = modes.followers_only_s ?? null;
  return (
    <div className="flex flex-col gap-4">
      <div
        className={cx(
          "rounded-md border p-3",
          isShielded ? "border-warn/60 bg-warn-wash" : "border-line bg-raised",
        )}
      >
        <Switch
          label={t("mod.shield")}
          hint={t("mod.shield_text")}
          isOn={isShielded}
          isBusy={busy === "shield"}
          onChange={(on) => void change("shield", { action: "shield", on })}
          testId="mod-shield"
        />
      </div>
      {isShielded && <p className="-mt-2 text-soft text-sm">{t("mod.shield_holds")}</p>}
      <SelectField
        label={t("mod.slow")}
        value={slow}
        disabled={isShielded || busy === "slow"}
        onChange={(event) => set("slow", { slow_s: Number(event.target.value) })}
        data-testid="mod-slow"
      >
        <option value={0}>{t("mod.off")}</option>
        {withValue(SLOW, slow || null).map((seconds) => (
          <option key={seconds} value={seconds}>
            {t("mod.slow_every", { span: span(seconds, lang) })}
          </option>
        ))}
      </SelectField>
      <SelectField
        label={t("mod.followers")}
        value={follows ?? "off"}
        disabled={isShielded || busy === "followers"}
        onChange={({ target }) =>
          set("followers", { followers_only_s: target.value === "off" ? null : Number(target.value) })
        }
        data-testid="mod-followers"
      >
        <option value="off">{t("mod.off")}</option>
        {withValue(FOLLOWS, follows).map((seconds) => (
          <option key={seconds} value={seconds}>
            {seconds === 0 ? t("mod.followers_any") : t("mod.followers_for", { span: span(seconds, lang) })}
          </option>
        ))}
      </SelectField>
      <SelectField
        label={t("mod.links")}
        value={modes.links ?? "allow"}
        disabled={isShielded || busy === "links"}
        onChange={({ target }) => set("links", { links: target.value as NonNullable<ChatModes["links"]> })}
        data-testid="mod-links"
      >
        <option value="allow">{t("mod.links_allow")}</option>
        <option value="hold">{t("mod.links_hold")}</option>
        <option value="block">{t("mod.links_block")}</option>
      </SelectField>
      <Switch
        label={t("mod.emote")}
        isOn={Boolean(modes.emote_only)}
        isBusy={busy === "emote"}
        onChange={(emote_only) => set("emote", { emote_only })}
        testId="mod-emote"
      />
      <Switch
        label={t("mod.unique")}
        hint={t("mod.unique_text")}
        isOn={Boolean(modes.unique)}
        isBusy={busy === "unique"}
        onChange={(unique) => set("unique", { unique })}
        testId="mod-unique"
      />
    </div>
  );
}

/** The usual values, and the one that is set when it is another. */
function withValue(usual: readonly number[], set: number | null): number[] {
  return set === null || usual.includes(set) ? [...usual] : [...usual, set].sort((a, b) => a - b);
}

function Switch({
  label,
  hint,
  isOn,
  isBusy,
  onChange,
  testId,
}: {
  label: string;
  hint?: ReactNode;
  isOn: boolean;
  isBusy: boolean;
  onChange: (isOn: boolean) => void;
  testId: string;
}) {
  return (
    <label className="flex min-h-8 cursor-pointer items-start gap-3">
      <span className="min-w-0 flex-1">
        <span className="block font-semibold text-sm">{label}</span>
        {hint && <span className="block text-soft text-sm">{hint}</span>}
      </span>
      {isBusy && <Spinner className="mt-1 text-soft" />}
      <input
        type="checkbox"
        role="switch"
        checked={isOn}
        aria-checked={isOn}
        disabled={isBusy}
        onChange={(event) => onChange(event.target.checked)}
        data-testid={testId}
        className="relative mt-0.5 h-6 w-10 shrink-0 cursor-pointer appearance-none rounded-full border border-line-strong bg-sunken transition-colors before:absolute before:top-1/2 before:left-1 before:size-4 before:-translate-y-1/2 before:rounded-full before:bg-soft before:transition-transform checked:border-melt checked:bg-melt checked:before:translate-x-3.5 checked:before:bg-on-melt"
      />
    </label>
  );
}
