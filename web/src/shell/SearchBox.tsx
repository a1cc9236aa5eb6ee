import { useQuery } from "@tanstack/react-query";
import { useNavigate, useRouterState } from "@tanstack/react-router";
import { Search } from "lucide-react";
import { type FormEvent, type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { categories } from "@/api/queries";
import { isEnough } from "@/features/rooms/found";
import { categoriesFor, QUESTION_MAX, suggestions } from "@/features/search/api";
import { OptionLink } from "@/features/search/OptionLink";
import { moved, type Option, optionsOf } from "@/features/search/options";
import { useRecent } from "@/features/search/recent";
import { categoryName } from "@/i18n/categoryName";
import { errorText } from "@/i18n/errorText";
import { useSettled } from "@/lib/useSettled";
import { Button } from "@/ui/button";

const TYPED_MS = 200;

/** Search over the whole site. `/` and Ctrl-K lead here. */
export function SearchBox() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  // Other pages' `q` is theirs.
  const asked = useRouterState({
    select: ({ location }) =>
      /^\/(search|browse)\/?$/.test(location.pathname) ? ((location.search as { q?: string }).q ?? "") : "",
  });
  const [text, setText] = useState(asked);
  const [isOpen, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const input = useRef<HTMLInputElement>(null);
  const box = useRef<HTMLElement>(null);
  const id = useId();
  useEffect(() => setText(asked), [asked]);
  useEffect(() => {
    const onKey = (event: globalThis.KeyboardEvent) => {
      const target = event.target as HTMLElement;
      const isTyping = target.isContentEditable || /^(input|textarea|select)$/i.test(target.tagName);
      const isSlash = event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey;
      const isCtrlK = event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey);
      if (!isSlash && !isCtrlK) return;
      event.preventDefault();
      input.current?.focus();
      input.current?.select();
      setOpen(true);
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);

  const typed = text.trim();
  const settled = useSettled(typed, TYPED_MS);
  const recent = useRecent();
  const known = useQuery({ ...categories(), enabled: isOpen });
  const wanted = suggestions(settled);
  const found = useQuery({ ...wanted, enabled: isOpen && isEnough(settled) });
  const fitting = categoriesFor(known.data?.items ?? [], typed, (one) => categoryName(t, one));
  const options = isOpen
    ? optionsOf(typed, recent.list, isEnough(typed) ? found.data : undefined, fitting)
    : [];
  const isShown = options.length > 0;
  const chosen = active < options.length ? active : -1;
  const optionId = (at: number) => `${id}-option-${at}`;

  const close = () => {
    setOpen(false);
    setActive(-1);
  };
  const look = (q: string) => {
    if (q) recent.add(q);
    close();
    void navigate({ to: "/search", search: q ? { q } : {} });
  };
  const pick = (option: Option) => {
    if (option.kind === "recent" || option.kind === "query") {
      recent.add(option.q);
      setText(option.q);
    }
    close();
  };
  const forget = () => {
    recent.clear();
    input.current?.focus();
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    // What is chosen is a link, and opens as one.
    if (chosen >= 0) document.getElementById(optionId(chosen))?.click();
    else look(typed);
  };
  const choose = (at: number) => {
    setActive(at);
    document.getElementById(optionId(at))?.scrollIntoView({ block: "nearest" });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // What a word is being made of belongs to the keyboard.
    if (event.nativeEvent.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!isOpen) setOpen(true);
      else choose(moved(chosen, event.key === "ArrowDown" ? 1 : -1, options.length));
    } else if (event.key === "Escape" && isShown) {
      // The field's own Escape would empty it.
      event.preventDefault();
      close();
    }
  };
  // What went wrong is said below what there is without an answer.
  const fault = !isEnough(typed)
    ? null
    : found.fetchStatus === "paused"
      ? t("search.offline")
      : found.isError
        ? errorText(t, found.error)
        : null;
  const isAsking = isEnough(typed) && (typed !== settled || found.isFetching);
  const said = isShown && !isAsking ? (fault ?? t("search.suggested", { count: options.length })) : "";
  return (
    <search
      ref={box}
      className="w-full max-w-[460px] sm:relative"
      onBlur={(event) => {
        if (!box.current?.contains(event.relatedTarget)) close();
      }}
    >
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
          maxLength={QUESTION_MAX}
          onChange={(event) => {
            setText(event.target.value);
            setActive(-1);
            setOpen(true);
          }}
          onClick={() => setOpen(true)}
          onFocus={() => setOpen(true)}
          onKeyDown={onKeyDown}
          role="combobox"
          aria-label={t("search.label")}
          aria-keyshortcuts="/ Control+K"
          aria-expanded={isShown}
          aria-controls={isShown ? `${id}-list` : undefined}
          aria-autocomplete="list"
          aria-activedescendant={chosen >= 0 ? optionId(chosen) : undefined}
          autoComplete="off"
          spellCheck={false}
          placeholder={t("search.placeholder")}
          data-testid="search"
          className="h-10 w-full rounded-full border border-line bg-sunken pr-4 pl-10 text-[15px] placeholder:text-faint hover:border-line-strong"
        />
      </form>
      <p role="status" className="sr-only">
        {said}
      </p>
      {isShown && (
        <div
          className="popup absolute inset-x-2 top-[calc(var(--header-h)-4px)] z-50 rounded-lg p-1.5 sm:inset-x-0 sm:top-[calc(100%+6px)]"
          // Holds the focus of whoever clicks beside its lines; and what has one is focused by a click in every browser.
          tabIndex={-1}
          data-testid="search-popup"
        >
          {typed === "" && (
            <div className="flex items-center justify-between gap-3 px-3 pt-1 pb-0.5">
              <span className="font-semibold text-soft text-sm" id={`${id}-head`}>
                {t("search.recent")}
              </span>
              <Button look="ghost" size="s" tabIndex={0} onClick={forget} data-testid="search-forget">
                {t("search.forget")}
              </Button>
            </div>
          )}
          <div
            role="listbox"
            id={`${id}-list`}
            aria-label={t(typed === "" ? "search.recent" : "search.suggestions")}
            className="max-h-[min(60dvh,520px)] overflow-y-auto"
          >
            {options.map((option, at) => (
              <OptionLink
                key={option.key}
                option={option}
                q={typed}
                id={optionId(at)}
                isActive={at === chosen}
                onPick={pick}
                onHover={() => setActive(at)}
              />
            ))}
          </div>
          {fault && (
            <p aria-hidden="true" className="px-3 py-2 text-soft text-sm" data-testid="search-fault">
              {fault}
            </p>
          )}
        </div>
      )}
    </search>
  );
}
