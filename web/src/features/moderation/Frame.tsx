import { EyeOff } from "lucide-react";
import { type ReactNode, useId } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "@/ui/button";

/** One panel of the moderators' page. */
export function Frame({
  id,
  title,
  action,
  onHide,
  isTitled = true,
  children,
}: {
  id: string;
  title: string;
  action?: ReactNode;
  /** Without it the panel cannot be hidden. */
  onHide?: () => void;
  /** False where its title stands above it already. */
  isTitled?: boolean;
  children: ReactNode;
}) {
  const { t } = useTranslation();
  const heading = useId();
  return (
    <section
      aria-labelledby={heading}
      data-testid={`panel-${id}`}
      className="@container flex h-full min-h-0 flex-col bg-surface"
    >
      <header
        className={isTitled ? "flex h-11 shrink-0 items-center gap-2 border-line border-b px-3" : "sr-only"}
      >
        <h2 id={heading} className="mr-auto min-w-0 truncate font-bold text-[15px]">
          {title}
        </h2>
        {action}
        {onHide && (
          <Button
            look="ghost"
            size="icon-s"
            onClick={onHide}
            aria-label={t("mod.hide", { title })}
            title={t("mod.hide", { title })}
            data-testid={`hide-${id}`}
          >
            <EyeOff />
          </Button>
        )}
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      {/* biome-ignore lint/a11y/useSemanticElements: it groups no fields */}
      <div tabIndex={0} role="group" aria-labelledby={heading} className="min-h-0 flex-1 overflow-y-auto p-3">
        {children}
      </div>
    </section>
  );
}
