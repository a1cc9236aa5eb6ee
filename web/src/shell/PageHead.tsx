import type { ReactNode } from "react";
import { cx } from "@/lib/cx";
import { usePage } from "./usePage";

/** The page's one h1. It takes the focus after a change of page. */
export function PageHead({
  title,
  children,
  isHidden = false,
}: {
  title: string;
  children?: ReactNode;
  isHidden?: boolean;
}) {
  usePage(title);
  return (
    <div className={cx(!isHidden && "mb-7 flex flex-wrap items-end justify-between gap-x-6 gap-y-3")}>
      <h1
        tabIndex={-1}
        data-page-heading
        className={cx(isHidden ? "sr-only" : "font-bold text-[34px] leading-none tracking-[-0.025em]")}
      >
        {title}
      </h1>
      {children}
    </div>
  );
}
