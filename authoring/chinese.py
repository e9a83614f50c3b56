"""What each template does, in Chinese: template -> (title, what it does, what to change first).

ComfyUI lists one file per template for all languages, so the note holds both.
"""

from __future__ import annotations

CHINESE = {
    "try_it": (
        "先试试：无需任何模型",
        "手绘的肖像跟着手绘的视频表演，并加上微笑：按“运行”即可。连线与正式模板相同，只是最后一步由“绘制卡通头像”画出，"
        "而不是由模型采样。下一步请打开模板 portrait_video。",
        "微笑（smile），或表情编辑器的其他滑块。",
    ),
    "portrait_video": (
        "让肖像像视频一样表演",
        "照片里的人做出视频中那张脸的动作（HelloMeme v5），并保留视频的声音。",
        "相似度强度与表演强度，然后是秒数（seconds）和 cfg（1.2 到 1.5）。",
    ),
    "portrait_image": (
        "让肖像换上一个表情",
        "第一张图里的人，带上第二张图的表情与头部姿态（HelloMeme v5）。",
        "表演强度与相似度强度，然后是 cfg（1.2 到 1.5）。",
    ),
    "portrait_expression": (
        "用滑块调肖像的表情",
        "不需要驱动：滑块决定表情。“Preview” 是按网格弯曲的肖像，立即可见；“Result” 由 HelloMeme v5 画出。",
        "任一滑块，然后是 cfg（1.2 到 1.5）。",
    ),
    "portrait_directed": (
        "由你导演的肖像",
        "先修正视频中的表演（平滑、缩放、加表情），再用它驱动肖像。手机录制也可以代替跟踪器。",
        "表情（expression）与用量（amount），然后是修改（edits）。",
    ),
    "portrait_pair": (
        "两个人在一张图里",
        "两张肖像并排，由同一张驱动图片驱动，各有自己的遮罩与强度（HelloMeme v5）。",
        "左、右强度。",
    ),
    "portrait_film": (
        "给影片中的人换一张脸",
        "跟踪影片中的一段，把脸重新画成照片里的人，再贴回并保留声音。影片多长都可以。",
        "起始秒与秒数，然后是羽化（feather）。",
    ),
    "portrait_video_two_stage": (
        "论文的两个阶段",
        "按论文的 HelloMeme v2：先逐帧采样，再让所有帧一起采样。",
        "秒数，然后是步数。",
    ),
    "portrait_sweep": (
        "哪个取值最好？",
        "同一秒视频，对一个设置的每个取值各采样一次，并比较姿态、表情与瑕疵。",
        "设置与取值，然后是秒数。每个取值都要完整运行一次。",
    ),
    "wplus_sliders": (
        "表情滑块（W+）",
        "只用提示词生成片段，W+ 逐帧控制微笑与年龄。W+ 的文件不得商用。",
        "微笑曲线（smile curve），然后是年龄（age）。",
    ),
    "freeanimate_restyle": (
        "把姿态视频换一种风格",
        "无需训练（FreeAnimate）：先按骨架生成预览，再以另一种风格重绘，保留布局与运动。",
        "drawn as（风格），然后是 layout until。",
    ),
    "clip_cleanup": (
        "清理一个片段",
        "把完成的片段转为噪声再重绘，每一帧都看着肖像：闪烁与破碎的细节消失，姿态与表情保留。",
        "提示词、帧数，然后是 layout until。",
    ),
    "xdyna_video": (
        "让照片里的人动起来",
        "一张人物照片跟随身体与脸的动作，X-Dyna 补上衣服、头发与背景。",
        "宽与高，然后是姿势强度与面部强度。",
    ),
    "controlnet_sk": (
        "由边缘生成图像",
        "图像的边缘通过 SK 注意力控制构图（ControlNetSK，论文附录 A）。没有公开的权重：请用 python run.py train controlnet-sk 自行训练，"
        "或用 python run.py bench paper --comfyui 生成玩具权重（128 像素，v_prediction，cfg 1.5）。",
        "提示词，然后是强度（1 为训练时的网络，0 为关闭）。",
    ),
    "faceid_sk": (
        "画出某个人",
        "每个块都通过 SK 注意力关注人脸嵌入（IPAdapterSK FaceID，论文附录 A）。ArcFace 的权重仅限非商业研究使用。没有公开的 FaceID 权重："
        "请用 python run.py train faceid-sk 自行训练，或用 python run.py bench paper --comfyui 生成玩具权重（128 像素，v_prediction，"
        "cfg 1.5，来源选 world_person.npy）。",
        "提示词，然后是强度（1 为训练时的网络，0 为关闭）。",
    ),
    "sk_text": (
        "另一种文本注意力",
        "供实验：用 SK 交叉注意力代替文本注意力（SK_EXP，论文附录 A）。没有公开的权重：请用 python run.py train sk-text 自行训练，"
        "几步即可试用本模板。玩具模型的文本注意力读的是十二个属性而不是提示词，因此没有玩具权重。",
        "强度，然后是提示词。",
    ),
}
