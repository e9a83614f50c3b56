"""Sampling of one clip on many machines.

On Ray, the result is that of one machine. The sampler runs on one machine, the driver, over the whole clip,
and requests one step at a time. Only the UNet's windows, which take most of the time, are computed by the
workers. A worker keeps no state that another one needs: a lost worker costs a few windows, a slow one gets
fewer windows, and workers may join and leave at any time. On running ComfyUI servers, each server samples
parts of the clip, which are cross-faded. Finished work is kept on disk in both cases, so that a stopped
command computes nothing twice.

graph          a workflow, divided into the part that each worker runs and the values that it is sent
files          the files that a clip depends on, which must be equal on all machines
frames         the requested frames
scheduling     how work is divided
store          finished work on disk
failures       errors that end a command
progress       one log and one progress bar
command        `python run.py farm`
session        a headless ComfyUI in this process
wire           the format in which values are sent to workers
worker         windows of a run, on a worker
worker_pool    the workers on Ray: started, watched, replaced
clip           a clip with windows that a worker pool computes
prepare        a workflow prepared for workers
video          latents decoded into a video file, in order
on_ray         the command on Ray
remote         a server over its HTTP API
server_graphs  the graphs that are sent to servers
parts          finished parts of a clip, and the missing frames
servers        the assignment of parts to servers
on_servers     the command on servers
"""
