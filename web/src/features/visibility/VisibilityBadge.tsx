import { EyeOff, Lock, Users } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { Visibility } from "@/api/types";
import { cx } from "@/lib/cx";

const ICONS = { unlisted: EyeOff, followers: Users, private: Lock } as const;

/** Says that something is not for everybody. Nothing for what is. */
export function VisibilityBadge({ visibility, className }: { visibility: Visibility; className?: string }) {
  const { t } = useTranslation();
  if (visibility === "public") return null;
  const Icon = ICONS[visibility];
  return (
    <span
      data-testid="visibility-badge"
      data-visibility={visibility}
      title={t(`visibility.${visibility}.text`)}
      className={cx(
        "inline-flex h-[22px] items-center gap-1 rounded-sm bg-[#060b0ccc] px-1.5 font-semibold text-[12px] text-white backdrop-blur-sm [&_svg]:size-3.5",
        className,
      )}
    >
      <Icon aria-hidden="true" />
      {t(`visibility.${visibility}.name`)}
    </span>
  );
}
