import { useTranslation } from "react-i18next";

/** Three threads running into one point: the mark and the word. */
export function Logo({ isMarkOnly = false }: { isMarkOnly?: boolean }) {
  const { t } = useTranslation();
  return (
    <span className="inline-flex items-center gap-2.5">
      <svg aria-hidden="true" viewBox="0 0 32 32" className="size-8 text-melt">
        <g fill="none" stroke="currentColor" strokeWidth="3" strokeLinecap="round">
          <path d="M3 7c9 0 11 9 20 9" />
          <path d="M3 16h25.500" />
          <path d="M3 25c9 0 11-9 20-9" />
        </g>
      </svg>
      <span className={isMarkOnly ? "sr-only" : "font-bold font-display text-[21px] tracking-[-0.03em]"}>
        {t("app.name")}
      </span>
    </span>
  );
}
