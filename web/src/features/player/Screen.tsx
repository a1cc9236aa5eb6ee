import type { ReactNode } from "react";
import { Rills } from "@/ui/bits";

/** What covers the picture when there is none: offline, reconnecting, broken. Always light on dark. */
export function Screen({
  title,
  text,
  icon,
  children,
  backdrop,
  testId,
}: {
  title: string;
  text?: ReactNode;
  icon?: ReactNode;
  children?: ReactNode;
  backdrop?: string | null;
  testId?: string;
}) {
  return (
    <div
      data-testid={testId}
      className="absolute inset-0 z-10 grid place-items-center overflow-hidden bg-[#0b1517] text-[#e9f0ee]"
    >
      {backdrop && (
        <img
          src={backdrop}
          alt=""
          className="absolute inset-0 size-full scale-110 object-cover opacity-30 blur-xl"
        />
      )}
      <Rills className="absolute inset-x-0 bottom-0 h-1/2 w-full text-[#6fe3da] opacity-25 [mask-image:linear-gradient(to_bottom,transparent,black)]" />
      <div className="relative flex max-w-[min(90%,36rem)] flex-col items-center gap-2 p-4 text-center [&>svg]:mb-1 [&>svg]:size-7 [&>svg]:text-[#6fe3da]">
        {icon}
        {/* Only the state is announced; a countdown below it ticks in silence. */}
        <p role="status" className="font-bold font-display text-xl leading-tight sm:text-2xl">
          {title}
        </p>
        {text && <p className="text-[#b9c8c6] text-sm sm:text-base">{text}</p>}
        {children && <div className="mt-3 flex flex-wrap justify-center gap-2">{children}</div>}
      </div>
    </div>
  );
}
