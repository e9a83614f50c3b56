"""One clip sampled by many machines, on Ray: what one machine would give.

The sampler runs on one machine, the driver, over the whole clip, and asks for one step at a time; only the UNet's windows, which is
where the time goes, are computed elsewhere. A worker keeps nothing that another one needs: one that is lost costs a few windows, one
that is slow is given fewer of them, and any number may come and go. What they compute is kept on disk, so that a command that was
stopped computes nothing twice.

graph     what of a workflow each worker runs itself, and what it is handed
session   a headless ComfyUI in this process
wire      how a worker is handed its values
worker    windows of a run, on a worker
rules     how a step is shared out
crew      the workers on Ray: started, watched, replaced
clip      a clip whose windows a crew computes
store     what is finished, on disk
prepare   a workflow made ready for workers
video     latents into a video file, in order
command   `python run.py farm`
"""
