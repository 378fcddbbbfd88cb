// Times as text, in the time zone of the browser. Times are Unix seconds.

const format = (options) => {
  const formatter = new Intl.DateTimeFormat("en-GB", options);
  return (t_s) => formatter.format(t_s * 1000);
};

const clock = { hour: "2-digit", minute: "2-digit", hour12: false };
const day = { day: "numeric", month: "short" };

export const asMinute = format(clock);
export const asSecond = format({ ...clock, second: "2-digit" });
export const asDay = format(day);
export const asDayAndMinute = format({ ...day, ...clock });
export const asDayAndSecond = format({ ...day, ...clock, second: "2-digit" });
