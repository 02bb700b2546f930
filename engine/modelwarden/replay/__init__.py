"""Re-performance: recorded evidence is judged again, by the recorded rules, by others, or as of another day.

    house       the rules that a record keeps, or those that are supposed instead
    recorded    what a gate or a scan recorded, decision by decision
    difference  where two decisions differ
    performing  every decision of a record again, in as many processes as are asked for
    tally       what came of it
    outlook     what of one decision turns worse by nothing but time
    forecast    the same for a whole record, by cause

Nothing here is recorded, and nothing of it counts for a later decision.
"""
