"""Air showers prepared in plain numpy, and encodings fitted on training events, for small inputs made by a formula.

Needs numpy. Prints the constants of crates/tagwerk-physics/src/arrays_view/tests.rs and of
crates/tagwerk-taggers/src/input.rs.
"""

import numpy as np


def number(i, period):
    return ((np.asarray(i, dtype=np.int64) * 7919 + 13) % period).astype(np.float64)


def showers():
    seen = np.zeros((3, 81), bool)
    seen[0] = np.arange(81) % 3 != 0
    seen[1, 40] = True
    signal = (number(np.arange(3 * 81 * 80), 1009) / 8.0 - 2.0).astype(np.float32).reshape(3, 81, 80)
    signal[~seen] = -1
    signal[:, :, 4::5] = -1
    time = (number(np.arange(3 * 81), 211) / 16.0).astype(np.float32).reshape(3, 81)
    time[~seen] = -1
    return signal, time


signal, time = (a.astype(np.float64) for a in showers())
signal[signal == -1] = np.nan
signal[signal < 0] = 0
signal = np.nan_to_num(np.log10(signal + 1))
time[time == -1] = np.nan
with np.errstate(all="ignore"):
    time = np.nan_to_num(time - np.nanmean(time, axis=1, keepdims=True))
rows = np.concatenate([signal, time[:, :, None]], axis=2).reshape(3, -1)
weights = np.arange(rows.shape[1]) % 101
print("AIRSHOWER_SUMS", [(float(r.sum()), float((r * weights).sum())) for r in rows])
print("AIRSHOWER_STATION_4", [(c, float(rows[0, 4 * 81 + c])) for c in (0, 7, 79, 80)])

# One standard deviation of the times that are not zero.
times = time[time != 0]
print("SCALE", float(times.std()))

# scikit-learn's StandardScaler on 7 events of 5 numbers, the last of which does not vary.
x = np.stack([number(np.arange(7) * 5 + c, 23) for c in range(5)], axis=1)
x[:, 4] = 2.5
scale = x.std(axis=0)
scale[scale == 0] = 1
print("STANDARDIZED_ROW_3", [float(v) for v in ((x - x.mean(axis=0)) / scale)[3]])

# Identities of 40 training particles by falling frequency, equal ones by the smaller identity; 0 is padding.
codes = (number(np.arange(40), 29) % 9).astype(int) * 3
values, counts = np.unique(codes[codes != 0], return_counts=True)
order = sorted(zip(-counts, values))
print("RANKED", [int(v) for _, v in order])
