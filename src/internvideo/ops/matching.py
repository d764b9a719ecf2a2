"""Who gets what, so that all together costs least."""

import numpy as np


def cheapest_pairs(costs: np.ndarray) -> np.ndarray:
    """For each row its column, (G,) int64: the one-to-one choice of least total cost. costs: (G, Q), G <= Q, finite.

    One shortest augmenting path per row, with prices that keep all reduced costs at least 0 (Jonker and Volgenant
    1987): G x Q x G operations, Q at a time.
    """
    rows, columns = costs.shape
    if rows > columns:
        raise ValueError(f"{rows} rows do not each get one of {columns} columns")
    prices, owner = np.zeros(columns), np.full(columns, -1)
    row_prices = np.zeros(rows)
    for row in range(rows):
        distance, came = np.full(columns, np.inf), np.full(columns, -1)
        done = np.zeros(columns, bool)
        here, column, reached = row, -1, 0.0
        while True:
            onward = reached + costs[here] - row_prices[here] - prices
            nearer = ~done & (onward < distance)
            distance[nearer], came[nearer] = onward[nearer], column
            column = int(np.where(done, np.inf, distance).argmin())
            reached = float(distance[column])
            done[column] = True
            if owner[column] < 0:
                break
            here = int(owner[column])
        row_prices[row] += reached
        for each in np.flatnonzero(done).tolist():
            if owner[each] >= 0:
                row_prices[owner[each]] += reached - distance[each]
            prices[each] -= reached - distance[each]
        while column >= 0:  # the path back: each column goes to who came through the one before
            before = int(came[column])
            owner[column] = row if before < 0 else owner[before]
            column = before
    chosen = np.full(rows, -1)
    taken = np.flatnonzero(owner >= 0)
    chosen[owner[taken]] = taken
    return chosen
