"""What the numbers of a run mean, in plain words: each sentence rests on a record."""

from __future__ import annotations

import math
import re
from typing import Any

from .records import number

Found = dict[str, dict[str, Any]]


def verdict(records: list[dict[str, Any]], log: list[dict[str, Any]]) -> list[str]:
    """Sentences on how good a model is, from its records and the log of its training."""
    found = by_name(records)
    lines = [
        *likelihood_lines(found),
        *reconstruction_lines(found),
        *([coverage_line(found)] if "coverage" in found else too_few_line(records)),
        *memorisation_lines(found),
        *mode_lines(found),
        *latent_lines(found),
    ]
    if log and log[-1].get("health"):
        lines.append(f"At the end of training: {log[-1]['health']}.")
    return lines


def warnings(records: list[dict[str, Any]]) -> list[str]:
    """What a reader must know of single values, each with the metric it is about."""
    return [
        f"{record['metric']}: {text}"
        for record in records
        for text in record.get("warnings") or ()
    ]


def by_name(records: list[dict[str, Any]]) -> Found:
    """Records that have a value, by the metric's name without its extractor."""
    return {re.sub(r"\[.*\]", "", r["metric"]): r for r in records if r["value"] is not None}


def likelihood_lines(found: Found) -> list[str]:
    """What held-out samples cost, beside what no model can be below and what a trivial one reaches."""
    if "held-out -elbo" not in found:
        if "held-out distortion" not in found:
            return []
        value = number(found["held-out distortion"]["value"])
        return [f"Held-out samples are given back at {value} nats."]
    record = found["held-out -elbo"]
    error = record["uncertainty"]
    spread = "" if error is None else f", standard error {number(error)}"
    lines = [f"Held-out samples cost {number(record['value'])} nats (-ELBO{spread})."]
    bounds = [r for name, r in found.items() if name.startswith("-log p(x) bound")]
    if bounds:
        bound = max(bounds, key=lambda r: r["settings"]["draws"])
        gap = record["value"] - bound["value"]
        # As if they were of other samples, which is more than the error of their difference.
        noise = math.hypot(*(each["uncertainty"] or 0.0 for each in (record, bound)))
        shown = gap > 2 * noise
        lost = (
            f": the approximate posterior costs {number(gap)} of the ELBO or more" if shown else ""
        )
        lines.append(
            f"With {bound['settings']['draws']:,} draws the bound is {number(bound['value'])} nats{lost}."
        )
        floor = bound["reference"].get("hard floor")
        if floor is not None:
            least = bound["reference"]["independent Bernoulli"]
            lines.append(
                f"No model of these pixels can be below {number(floor)}; one without latents reaches "
                f"{number(least)}."
            )
    return lines


def reconstruction_lines(found: Found) -> list[str]:
    """How well samples come back."""
    if "reconstruction MSE" not in found:
        return []
    text = f"Reconstruction error: {number(found['reconstruction MSE']['value'])} (MSE"
    others = [
        f"{name} {number(found[name]['value'])}{' dB' * (name == 'PSNR')}"
        for name in ("PSNR", "SSIM")
        if name in found
    ]
    return [f"{', '.join([text, *others])})."]


def coverage_line(found: Found) -> str:
    """Diversity and fidelity beside what training data, or equal distributions, would score."""
    coverage, distance = found["coverage"], found.get("FD") or found.get("FID")
    beside = coverage["reference"]
    others = "training data" not in beside
    reached = beside["equal distributions" if others else "training data"]
    share = coverage["value"] / max(reached, 1e-9)
    among = ""
    # Samples in the middle of the data are within nearly every ball, and nothing is among them.
    recall = found.get("recall")
    if recall is not None and (known := recall["reference"].get("training data")):
        share = min(share, recall["value"] / known)
        among = (
            f", and {100 * recall['value']:.0f} % of held-out samples lie among them (real data: "
            f"{100 * known:.0f} %)"
        )
    degrees = {
        0.97: "nearly all of the data",
        0.9: "most of the data",
        0.6: "much of the data",
        0.3: "a part of the data",
    }
    words = next(
        (words for least, words in degrees.items() if share > least), "little of the data"
    )
    line = (
        f"Samples cover {words}: {100 * coverage['value']:.0f} % of held-out neighbourhoods, where "
        f"{'equal distributions reach' if others else 'real data reaches'} {100 * reached:.0f} %{among}"
    )
    if distance is None:
        return line + "."
    real = distance["reference"].get("training data")
    beside = "" if real is None else f", where real data has {number(real)}"
    return f"{line}; {distance['metric']} is {number(distance['value'])}{beside}."


def too_few_line(records: list[dict[str, Any]]) -> list[str]:
    """Why samples are not judged by what they cover, where the data is too little for it."""
    reasons = [
        r["reason"] for r in records if r["metric"] == "coverage" and "needed" in r["reason"]
    ]
    return [f"What samples cover is not known: {reason}." for reason in reasons]


def memorisation_lines(found: Found) -> list[str]:
    """Whether it copies."""
    near = found.get("nearest is training data")
    if near is None:
        return []
    texts = near.get("warnings") or ()
    if any("copies" in text for text in texts):
        return ["It copies its training data: see the warnings."]
    if any("training sample" in text for text in texts):
        return ["Some samples may be copies of training data: see the warnings."]
    share, expected = near["value"], near["reference"]["held-out data"]
    tested = f" (C_T {found['C_T']['value']:+.1f})" if "C_T" in found else ""
    return [
        f"No sign of copying: of all data, {100 * share:.1f} % of samples lie nearest to training data, "
        f"where honest ones do in {100 * expected:.1f} %{tested}."
    ]


def mode_lines(found: Found) -> list[str]:
    """Which modes are reached."""
    parts = []
    for name, what in (("modes reached", "modes"), ("clusters reached", "clusters of the data")):
        if name in found:
            record = found[name]
            parts.append(f"{record['value']:.0f} of {record['reference']['all']:.0f} {what}")
            fair = found.get("modes with a fair share")
            if name == "modes reached" and fair and fair["value"] < record["value"]:
                parts[-1] += f" ({fair['value']:.0f} with a fair share)"
    return [f"Samples reach {' and '.join(parts)}."] if parts else []


def latent_lines(found: Found) -> list[str]:
    """What the latents carry."""
    lines = []
    if "active units" in found:
        record = found["active units"]
        rate = found.get("held-out rate")
        carried = f", carrying {number(rate['value'])} nats" if rate and record["value"] else ""
        total = record["reference"]["latents"]
        lines.append(f"{record['value']:.0f} of {total:.0f} latents are in use{carried}.")
    if "linear probe" in found:
        value, common = (
            found["linear probe"]["value"],
            found["linear probe"]["reference"]["commonest class"],
        )
        lines.append(
            f"A linear classifier reads the class from the code in {100 * value:.1f} % of cases "
            f"(always the commonest: {100 * common:.1f} %)."
        )
    return lines
