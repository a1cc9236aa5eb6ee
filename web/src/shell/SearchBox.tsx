import { useNavigate, useRouterState } from "@tanstack/react-router";
import { Search } from "lucide-react";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

/** Search over the whole site. `/` and Ctrl-K lead here. */
export function SearchBox() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const asked = useRouterState({
    select: (state) => (state.location.search as { q?: string }).q ?? "",
  });
  const [text, setText] = useState(asked);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => setText(asked), [asked]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      const isTyping = target.isContentEditable || /^(input|textarea|select)$/i.test(target.tagName);
      const isSlash = event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey;
      const isCtrlK = event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey);
      if (!isSlash && !isCtrlK) return;
      event.preventDefault();
      input.current?.focus();
      input.current?.select();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const q = text.trim();
    void navigate({ to: "/browse", search: { q: q || undefined } });
  };
  return (
    <search className="w-full max-w-[460px]">
      <form onSubmit={submit} className="relative">
        <Search
          aria-hidden="true"
          className="pointer-events-none absolute top-1/2 left-3.5 size-[18px] -translate-y-1/2 text-faint"
        />
        <input
          ref={input}
          type="search"
          name="q"
          value={text}
          onChange={(event) => setText(event.target.value)}
          aria-label={t("search.label")}
          aria-keyshortcuts="/ Control+K"
          placeholder={t("search.placeholder")}
          data-testid="search"
          className="h-10 w-full rounded-full border border-line bg-sunken pr-4 pl-10 text-[15px] placeholder:text-faint hover:border-line-strong"
        />
      </form>
    </search>
  );
}
