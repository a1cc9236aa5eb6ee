import { useQuery, useQueryClient } from "@tanstack/react-query";
import { ShieldAlert, ShieldCheck } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useLang } from "@/i18n/useLang";
import { day } from "@/lib/time";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { NewCodesDialog, TurnOffDialog, TurnOnDialog } from "./TwoFactorDialogs";
import { FEW_CODES, twoFactor } from "./twoFactor";

type Asked = "on" | "codes" | "off" | null;

/** Whether a code is asked after the password, and how that is changed. */
export function TwoFactor({ username }: { username: string }) {
  const { t } = useTranslation();
  const lang = useLang();
  const client = useQueryClient();
  const state = useQuery(twoFactor());
  const [asked, setAsked] = useState<Asked>(null);
  if (state.isError && !state.data)
    return <ErrorState error={state.error} onRetry={() => void state.refetch()} />;
  if (!state.data)
    return (
      <div data-testid="two-factor-loading">
        <Skeleton className="h-24" />
      </div>
    );
  const { is_on: isOn, since, recovery_codes_left: left } = state.data;
  const close = () => {
    setAsked(null);
    void client.invalidateQueries({ queryKey: twoFactor().queryKey });
  };
  const Shield = isOn ? ShieldCheck : ShieldAlert;
  return (
    <div className="flex flex-col items-start gap-4" data-testid="two-factor" data-on={isOn}>
      <div className="flex gap-3">
        <Shield
          aria-hidden="true"
          className={`mt-0.5 size-5 shrink-0 ${isOn ? "text-good" : "text-faint"}`}
        />
        <div className="flex min-w-0 flex-col gap-1">
          <h3 className="font-semibold">{t("two_factor.title")}</h3>
          <p className="text-soft text-sm">
            {isOn && since ? t("two_factor.is_on", { day: day(since, lang) }) : t("two_factor.lead")}
          </p>
        </div>
      </div>
      {isOn && (
        <p className={left <= FEW_CODES ? "text-sm text-warn" : "text-sm"} data-testid="codes-left">
          {t("two_factor.codes_left", { count: left })}
          {left <= FEW_CODES && ` ${t("two_factor.codes_few")}`}
        </p>
      )}
      <div className="flex flex-wrap gap-2">
        {isOn ? (
          <>
            <Button onClick={() => setAsked("codes")} data-testid="two-factor-codes">
              {t("two_factor.new_codes")}
            </Button>
            <Button look="danger" onClick={() => setAsked("off")} data-testid="two-factor-off">
              {t("two_factor.turn_off")}
            </Button>
          </>
        ) : (
          <Button look="solid" onClick={() => setAsked("on")} data-testid="two-factor-on">
            {t("two_factor.turn_on")}
          </Button>
        )}
      </div>
      {asked === "on" && <TurnOnDialog username={username} onClose={close} />}
      {asked === "codes" && <NewCodesDialog username={username} onClose={close} />}
      {asked === "off" && <TurnOffDialog username={username} onClose={close} />}
    </div>
  );
}
