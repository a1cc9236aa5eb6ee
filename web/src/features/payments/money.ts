// Amounts as people read and write them. The API counts in the currency's smallest unit.

/** An amount with its currency, in the reader's language. */
export function money(minor: number, currency: string, exponent: number, lang: string): string {
  return new Intl.NumberFormat(lang, {
    style: "currency",
    currency,
    minimumFractionDigits: exponent,
    maximumFractionDigits: exponent,
  }).format(minor / 10 ** exponent);
}

/** The amount without its currency, as it is typed into a bank's form. */
export const typed = (minor: number, exponent: number) => (minor / 10 ** exponent).toFixed(exponent);

/**
 * What somebody typed as the smallest unit: "49.000" of dong, "4,90" of euro. Null for what is no amount.
 * A point or comma is the decimal one only if exactly so many digits follow it as the currency has.
 */
export function minorOf(text: string, exponent: number): number | null {
  const plain = text.trim().replace(/[\s\u00a0]/g, "");
  if (!/^\d[\d.,]*$/.test(plain)) return null;
  const cut = exponent > 0 ? plain.search(new RegExp(`[.,]\\d{${exponent}}$`)) : -1;
  const whole = (cut < 0 ? plain : plain.slice(0, cut)).replace(/[.,]/g, "");
  const part = cut < 0 ? "0".repeat(exponent) : plain.slice(cut + 1);
  const minor = Number(whole + part);
  return Number.isSafeInteger(minor) ? minor : null;
}
