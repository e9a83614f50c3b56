"""Servers that hang, fail, are slow or answer nonsense: the clip is the same. Stand-ins on real ports that sample nothing."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import aiohttp
import pytest
import torch

from sk_portrait.farm import parts
from sk_portrait.farm.failures import FarmError
from sk_portrait.farm.parts import FinishedParts, Sampled, lay_out
from sk_portrait.farm.remote import Remote
from sk_portrait.farm.servers import Servers, Work
from sk_portrait.farm.store import Store
from sk_portrait.testing.farm.stand_in_server import CLIP, INPUTS, MODELS, StandIn, graph
from sk_portrait.unet.clip.parts import Part

EXPECTED = torch.arange(CLIP, dtype=torch.float32)
CANNOT = {
    "has no SK Portrait": StandIn(pack=False),
    "the model sd15.safetensors is another file": StandIn(models={"sd15.safetensors": "cccc"}),
    "the model sd15.safetensors is absent": StandIn(models={"sd15.safetensors": None}),
    "the input file faces/portrait.png is another one": StandIn(inputs={"faces/portrait.png": "cccc"}),
    "the clip has 59 frames and on the others 60": StandIn(clip=59),
}


class Bar:
    """Keeps what it is told."""

    def begin(self, frames):
        self.frames, self.seen = frames, []

    def at(self, frames):
        self.seen.append(frames)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Parts for a short clip, and no waiting."""
    monkeypatch.setattr(parts, "LONG", 10)
    for name in ("servers.POLL", "remote.POLL"):
        monkeypatch.setattr(f"sk_portrait.farm.{name}", 0.02)


def sampled(
    folder, *stand_ins: StandIn, asked=None, patience: float = 1.0, during=None
) -> tuple[torch.Tensor, Bar]:
    """What the servers make of the clip, the first of them with the files that count."""

    async def run():
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(aiohttp.ClientSession())
            addresses = [await stack.enter_async_context(one.running()) for one in stand_ins]
            remotes = [Remote(http, address, patience) for address in addresses]
            bar, work = Bar(), Work(graph(), "clip", MODELS, INPUTS, remotes[0], "digest")
            made = asyncio.ensure_future(
                Servers(work, remotes, Store(folder), bar, asked, pause=0.05).sample()
            )
            if during:
                await during(made)
            video, first, seam = await made
            assert torch.equal(video, first) and (seam is None or seam[1] == 0)
            return video[:, 0, 0, 0], bar

    return asyncio.run(run())


@pytest.mark.parametrize(
    "fault", ["hangs", "fails", "refuses", "one too few", "nan", "says nothing", "no json", "odd", "garbage"]
)
def test_what_a_faulty_server_does_not_finish_is_given_to_another(tmp_path, caplog, fault):
    faulty, good = StandIn(fault), StandIn()
    video, bar = sampled(tmp_path, good, faulty)
    assert torch.equal(video, EXPECTED) and bar.seen[-1] == bar.frames == CLIP
    if fault == "hangs":
        assert faulty.cancelled == {number for number, record in faulty.prompts.items() if record is None}


def test_a_slow_server_holds_nobody_up(tmp_path):
    slow, good = StandIn("slow"), StandIn()
    video, _ = sampled(tmp_path, good, slow, patience=60.0)
    assert (
        torch.equal(video, EXPECTED) and len(good.parts) > 1 and slow.cancelled
    )  # what it was at is no longer wanted


@pytest.mark.parametrize("sentence", CANNOT)
def test_a_server_that_cannot_take_part_is_named_with_the_reason(tmp_path, caplog, sentence):
    refused = CANNOT[sentence]
    video, _ = sampled(tmp_path, StandIn(), refused)
    assert torch.equal(video, EXPECTED) and sentence in caplog.text and not refused.parts


def test_what_fails_on_every_server_ends_the_command_with_the_reason(tmp_path):
    with pytest.raises(FarmError, match=r"has failed 4 times: .*KSampler \(7\): No space left on device"):
        sampled(tmp_path, StandIn("fails"), StandIn("fails"))


def test_without_any_server_the_last_reason_is_said(tmp_path):
    with pytest.raises(FarmError, match="No server is left: .* has no SK Portrait"):
        sampled(tmp_path, StandIn(pack=False))


def test_a_picture_goes_to_the_servers_that_lack_it(tmp_path):
    lacking = StandIn(inputs={})
    sampled(tmp_path, StandIn(), lacking)
    assert (
        lacking.files["faces/portrait.png"] == b"portrait.png"
    )  # as the stand-in of the first server has it


def test_what_is_interrupted_is_cancelled_and_goes_on_where_it_was(tmp_path):
    hanging, tired = StandIn("hangs"), StandIn("tires")

    async def interrupted(made):
        while not (list(tmp_path.glob("part.*")) and hanging.parts):
            await asyncio.sleep(0.02)
        made.cancel()

    with pytest.raises(asyncio.CancelledError):
        sampled(tmp_path, tired, hanging, patience=60.0, during=interrupted)
    assert len(hanging.cancelled) == 1
    finished = {frame for part in FinishedParts(Store(tmp_path), CLIP).found for frame in part.keeps}
    again = StandIn()
    video, _ = sampled(tmp_path, again)
    assert torch.equal(video, EXPECTED)
    assert finished and finished.isdisjoint(frame for part in again.parts for frame in part.keeps)


def test_only_the_frames_that_are_asked_for_are_sampled(tmp_path):
    server = StandIn()
    video, bar = sampled(tmp_path, server, asked=(20, 29))
    assert torch.equal(video, EXPECTED[20:30]) and bar.frames == 10
    assert {frame for part in server.parts for frame in part.keeps} == set(range(20, 30))


@pytest.mark.parametrize(("clip", "servers_", "count"), [(40, 2, 4), (15, 2, 2), (1000, 2, 8), (5, 3, 3)])
def test_parts_cover_what_is_missing_and_there_is_one_for_each_server(clip, servers_, count):
    laid_out = lay_out(clip, [range(clip)], servers_)
    assert [frame for part in laid_out for frame in part.keeps] == list(range(clip)) and len(
        laid_out
    ) == count


def test_key_frames_are_told_from_a_first_stage_by_their_number(tmp_path):
    found, part = FinishedParts(Store(tmp_path), CLIP), Part.of(CLIP, 0, 20, parts.MARGIN)
    found.add(part, Sampled(torch.zeros(36, 4, 2, 2), torch.zeros(36, 4, 2, 2)))
    assert found.key_frames() is None
    found.add(Part.of(CLIP, 20, 40, parts.MARGIN), Sampled(torch.zeros(56, 4, 2, 2), torch.ones(7, 4, 2, 2)))
    assert (
        len(found.key_frames()) == 7
        and FinishedParts(Store(tmp_path), CLIP).found.keys() == found.found.keys()
    )
