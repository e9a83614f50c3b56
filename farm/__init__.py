"""One clip sampled by many machines.

On Ray: what one machine would give. The sampler runs on one machine, the driver, over the whole clip, and asks for one step at a time; only
the UNet's windows, which is where the time goes, are computed elsewhere. A worker keeps nothing that another one needs: one that is lost
costs a few windows, one that is slow is given fewer of them, and any number may come and go.

On ComfyUI servers that are running: each samples parts of the clip, which are faded into each other.

What is computed is kept on disk either way, so that a command that was stopped computes nothing twice.

graph          a workflow read and cut: what each worker runs itself, and what it is handed
files          the files that a clip depends on, the same on all machines
frames         which frames somebody asks for
rules          how work is shared out
store          what is finished, on disk
failures       what ends a command
shown          one log, one progress bar
command        `python run.py farm`

session        a headless ComfyUI in this process
wire           how a worker is handed its values
worker         windows of a run, on a worker
worker_pool    the workers on Ray: started, watched, replaced
clip           a clip whose windows a worker pool computes
prepare        a workflow made ready for workers
video          latents into a video file, in order
on_ray         all of it, on Ray

remote         a server over its HTTP API
server_graphs  the graphs that servers are sent
parts          finished parts of a clip, and what is missing
servers        who samples which part
on_servers     all of it, on servers
"""
