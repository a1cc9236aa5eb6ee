import type { ReactNode } from "react";
import { PageHead } from "@/shell/PageHead";
import { Rills } from "@/ui/bits";

/** Two halves: the form, and on wide screens the water. */
export function AuthFrame({ title, lead, children }: { title: string; lead: string; children: ReactNode }) {
  return (
    <div className="grid min-h-[calc(100dvh-var(--header-h))] max-md:min-h-[calc(100dvh-var(--header-h)-var(--bottom-h)-24px)] md:-mb-10 lg:grid-cols-[minmax(420px,1fr)_1.1fr]">
      <div className="mx-auto flex w-full max-w-[440px] flex-col justify-center px-5 py-10">
        <PageHead title={title} />
        {children}
      </div>
      <div className="relative hidden overflow-hidden border-line border-l bg-melt-wash lg:block">
        <Rills className="absolute inset-x-0 top-[12%] h-[46%] w-full opacity-80" />
        <p className="absolute bottom-14 left-12 max-w-[18ch] font-bold font-display text-[44px] leading-[1.02] tracking-[-0.035em]">
          {lead}
        </p>
      </div>
    </div>
  );
}
