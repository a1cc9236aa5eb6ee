import { useTranslation } from "react-i18next";
import { useSession } from "@/api/session";
import { MyPlan, Receipts } from "@/features/payments/MyPlan";
import { PlanCards } from "@/features/payments/PlanCards";
import { PageHead } from "@/shell/PageHead";

/** The plans there are; and for who is signed in, which one runs and what was paid. */
export function PlansPage() {
  const { t } = useTranslation();
  const user = useSession((session) => session.user);
  return (
    <div className="container-page flex max-w-[1080px] flex-col gap-8 pt-8">
      <div className="-mb-4">
        <PageHead title={t("pay.plans")} />
        <p className="-mt-4 text-soft">{t("pay.plans_text")}</p>
      </div>
      {user && <MyPlan />}
      <PlanCards />
      {user && <Receipts />}
    </div>
  );
}
