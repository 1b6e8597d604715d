{
 "patcher": {
  "fileversion": 1,
  "appversion": {
   "major": 8,
   "minor": 6,
   "revision": 0,
   "architecture": "x64",
   "modernui": 1
  },
  "classnamespace": "box",
  "rect": [60.0, 80.0, 1600.0, 860.0],
  "bglocked": 0,
  "openinpresentation": 0,
  "default_fontsize": 12.0,
  "default_fontface": 0,
  "default_fontname": "Arial",
  "gridonopen": 1,
  "gridsize": [15.0, 15.0],
  "gridsnaponopen": 1,
  "objectsnaponopen": 1,
  "statusbarvisible": 2,
  "toolbarvisible": 1,
  "boxanimatetime": 200,
  "enablehscroll": 1,
  "enablevscroll": 1,
  "boxes": [
   {
    "box": {
     "id": "obj-1",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [20.0, 12.0, 760.0, 20.0],
     "text": "Play glitch-live from Max. glitch-live listens for OSC on port 9000 of this computer. Move a slider, or click a message.",
     "fontsize": 14.0
    }
   },
   {
    "box": {
     "id": "obj-2",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [20.0, 34.0, 760.0, 20.0],
     "text": "Sliders follow changes from elsewhere: glitch-live sends values to port 9001, with the subscription renewed every 20 seconds."
    }
   },
   {
    "box": {
     "id": "obj-3",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": ["bang"],
     "patching_rect": [20.0, 70.0, 70.0, 22.0],
     "text": "loadbang"
    }
   },
   {
    "box": {
     "id": "obj-4",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [20.0, 98.0, 50.0, 22.0],
     "text": "1"
    }
   },
   {
    "box": {
     "id": "obj-5",
     "maxclass": "toggle",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": ["int"],
     "patching_rect": [20.0, 126.0, 24.0, 24.0],
     "parameter_enable": 0
    }
   },
   {
    "box": {
     "id": "obj-6",
     "maxclass": "newobj",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": ["bang"],
     "patching_rect": [20.0, 156.0, 91.0, 22.0],
     "text": "metro 20000"
    }
   },
   {
    "box": {
     "id": "obj-7",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [20.0, 184.0, 154.0, 22.0],
     "text": "/subscribe / 20 9001"
    }
   },
   {
    "box": {
     "id": "obj-8",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [200.0, 156.0, 98.0, 22.0],
     "text": "r glitch-out"
    }
   },
   {
    "box": {
     "id": "obj-9",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [20.0, 216.0, 168.0, 22.0],
     "text": "udpsend 127.0.0.1 9000"
    }
   },
   {
    "box": {
     "id": "obj-10",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [52.0, 128.0, 220.0, 20.0],
     "text": "follow: on when the patch opens"
    }
   },
   {
    "box": {
     "id": "obj-11",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [190.0, 184.0, 133.0, 22.0],
     "text": "/unsubscribe 9001"
    }
   },
   {
    "box": {
     "id": "obj-12",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [330.0, 184.0, 120.0, 20.0],
     "text": "unsubscribe"
    }
   },
   {
    "box": {
     "id": "obj-13",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [200.0, 217.0, 330.0, 20.0],
     "text": "glitch-live; change the address for another computer"
    }
   },
   {
    "box": {
     "id": "obj-14",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [560.0, 70.0, 119.0, 22.0],
     "text": "udpreceive 9001"
    }
   },
   {
    "box": {
     "id": "obj-15",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [690.0, 71.0, 340.0, 20.0],
     "text": "values from glitch-live, each to its slider"
    }
   },
   {
    "box": {
     "id": "obj-16",
     "maxclass": "newobj",
     "numinlets": 9,
     "numoutlets": 9,
     "outlettype": ["", "", "", "", "", "", "", "", ""],
     "patching_rect": [560.0, 100.0, 730.0, 22.0],
     "text": "route /latent/1 /latent/2 /latent/3 /latent/4 /latent/5 /latent/6 /latent/7 /latent/8"
    }
   },
   {
    "box": {
     "id": "obj-17",
     "maxclass": "newobj",
     "numinlets": 13,
     "numoutlets": 13,
     "outlettype": ["", "", "", "", "", "", "", "", "", "", "", "", ""],
     "patching_rect": [560.0, 156.0, 1040.0, 22.0],
     "text": "route /pitch /loudness /gain /crossfade /tempo /xy/x /xy/y /xy/amount /walk/speed /walk/radius /mute /meter/rms"
    }
   },
   {
    "box": {
     "id": "obj-18",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [560.0, 128.0, 78.0, 22.0],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "id": "obj-19",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [642.0, 128.0, 78.0, 22.0],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "id": "obj-20",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [724.0, 128.0, 78.0, 22.0],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "id": "obj-21",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [806.0, 128.0, 78.0, 22.0],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "id": "obj-22",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [888.0, 128.0, 78.0, 22.0],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "id": "obj-23",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [970.0, 128.0, 78.0, 22.0],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "id": "obj-24",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [1052.0, 128.0, 78.0, 22.0],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "id": "obj-25",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [1134.0, 128.0, 78.0, 22.0],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "id": "obj-26",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [560.0, 184.0, 78.0, 22.0],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "id": "obj-27",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [642.0, 184.0, 78.0, 22.0],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "id": "obj-28",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [724.0, 184.0, 78.0, 22.0],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "id": "obj-29",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [806.0, 184.0, 78.0, 22.0],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "id": "obj-30",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [888.0, 184.0, 78.0, 22.0],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "id": "obj-31",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [1134.0, 184.0, 78.0, 22.0],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "id": "obj-32",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [1216.0, 184.0, 78.0, 22.0],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "id": "obj-33",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [1298.0, 184.0, 78.0, 22.0],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "id": "obj-34",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [1380.0, 184.0, 78.0, 22.0],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "id": "obj-35",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [20.0, 262.0, 700.0, 20.0],
     "text": "latents, in order of importance, in standard deviations"
    }
   },
   {
    "box": {
     "id": "obj-36",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [20.0, 290.0, 110.0, 20.0],
     "text": "/latent/1"
    }
   },
   {
    "box": {
     "id": "obj-37",
     "maxclass": "slider",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [130.0, 290.0, 200.0, 20.0],
     "floatoutput": 1,
     "orientation": 1,
     "min": -6.0,
     "size": 12.0,
     "parameter_enable": 0
    }
   },
   {
    "box": {
     "id": "obj-38",
     "maxclass": "flonum",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": ["", "bang"],
     "patching_rect": [338.0, 289.0, 60.0, 22.0],
     "format": 6,
     "parameter_enable": 0,
     "minimum": -6.0,
     "maximum": 6.0
    }
   },
   {
    "box": {
     "id": "obj-39",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [406.0, 289.0, 133.0, 22.0],
     "text": "prepend /latent/1"
    }
   },
   {
    "box": {
     "id": "obj-40",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [566.0, 289.0, 98.0, 22.0],
     "text": "s glitch-out"
    }
   },
   {
    "box": {
     "id": "obj-41",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [20.0, 320.0, 110.0, 20.0],
     "text": "/latent/2"
    }
   },
   {
    "box": {
     "id": "obj-42",
     "maxclass": "slider",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [130.0, 320.0, 200.0, 20.0],
     "floatoutput": 1,
     "orientation": 1,
     "min": -6.0,
     "size": 12.0,
     "parameter_enable": 0
    }
   },
   {
    "box": {
     "id": "obj-43",
     "maxclass": "flonum",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": ["", "bang"],
     "patching_rect": [338.0, 319.0, 60.0, 22.0],
     "format": 6,
     "parameter_enable": 0,
     "minimum": -6.0,
     "maximum": 6.0
    }
   },
   {
    "box": {
     "id": "obj-44",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [406.0, 319.0, 133.0, 22.0],
     "text": "prepend /latent/2"
    }
   },
   {
    "box": {
     "id": "obj-45",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [566.0, 319.0, 98.0, 22.0],
     "text": "s glitch-out"
    }
   },
   {
    "box": {
     "id": "obj-46",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [20.0, 350.0, 110.0, 20.0],
     "text": "/latent/3"
    }
   },
   {
    "box": {
     "id": "obj-47",
     "maxclass": "slider",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [130.0, 350.0, 200.0, 20.0],
     "floatoutput": 1,
     "orientation": 1,
     "min": -6.0,
     "size": 12.0,
     "parameter_enable": 0
    }
   },
   {
    "box": {
     "id": "obj-48",
     "maxclass": "flonum",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": ["", "bang"],
     "patching_rect": [338.0, 349.0, 60.0, 22.0],
     "format": 6,
     "parameter_enable": 0,
     "minimum": -6.0,
     "maximum": 6.0
    }
   },
   {
    "box": {
     "id": "obj-49",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [406.0, 349.0, 133.0, 22.0],
     "text": "prepend /latent/3"
    }
   },
   {
    "box": {
     "id": "obj-50",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [566.0, 349.0, 98.0, 22.0],
     "text": "s glitch-out"
    }
   },
   {
    "box": {
     "id": "obj-51",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [20.0, 380.0, 110.0, 20.0],
     "text": "/latent/4"
    }
   },
   {
    "box": {
     "id": "obj-52",
     "maxclass": "slider",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [130.0, 380.0, 200.0, 20.0],
     "floatoutput": 1,
     "orientation": 1,
     "min": -6.0,
     "size": 12.0,
     "parameter_enable": 0
    }
   },
   {
    "box": {
     "id": "obj-53",
     "maxclass": "flonum",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": ["", "bang"],
     "patching_rect": [338.0, 379.0, 60.0, 22.0],
     "format": 6,
     "parameter_enable": 0,
     "minimum": -6.0,
     "maximum": 6.0
    }
   },
   {
    "box": {
     "id": "obj-54",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [406.0, 379.0, 133.0, 22.0],
     "text": "prepend /latent/4"
    }
   },
   {
    "box": {
     "id": "obj-55",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [566.0, 379.0, 98.0, 22.0],
     "text": "s glitch-out"
    }
   },
   {
    "box": {
     "id": "obj-56",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [20.0, 410.0, 110.0, 20.0],
     "text": "/latent/5"
    }
   },
   {
    "box": {
     "id": "obj-57",
     "maxclass": "slider",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [130.0, 410.0, 200.0, 20.0],
     "floatoutput": 1,
     "orientation": 1,
     "min": -6.0,
     "size": 12.0,
     "parameter_enable": 0
    }
   },
   {
    "box": {
     "id": "obj-58",
     "maxclass": "flonum",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": ["", "bang"],
     "patching_rect": [338.0, 409.0, 60.0, 22.0],
     "format": 6,
     "parameter_enable": 0,
     "minimum": -6.0,
     "maximum": 6.0
    }
   },
   {
    "box": {
     "id": "obj-59",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [406.0, 409.0, 133.0, 22.0],
     "text": "prepend /latent/5"
    }
   },
   {
    "box": {
     "id": "obj-60",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [566.0, 409.0, 98.0, 22.0],
     "text": "s glitch-out"
    }
   },
   {
    "box": {
     "id": "obj-61",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [20.0, 440.0, 110.0, 20.0],
     "text": "/latent/6"
    }
   },
   {
    "box": {
     "id": "obj-62",
     "maxclass": "slider",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [130.0, 440.0, 200.0, 20.0],
     "floatoutput": 1,
     "orientation": 1,
     "min": -6.0,
     "size": 12.0,
     "parameter_enable": 0
    }
   },
   {
    "box": {
     "id": "obj-63",
     "maxclass": "flonum",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": ["", "bang"],
     "patching_rect": [338.0, 439.0, 60.0, 22.0],
     "format": 6,
     "parameter_enable": 0,
     "minimum": -6.0,
     "maximum": 6.0
    }
   },
   {
    "box": {
     "id": "obj-64",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [406.0, 439.0, 133.0, 22.0],
     "text": "prepend /latent/6"
    }
   },
   {
    "box": {
     "id": "obj-65",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [566.0, 439.0, 98.0, 22.0],
     "text": "s glitch-out"
    }
   },
   {
    "box": {
     "id": "obj-66",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [20.0, 470.0, 110.0, 20.0],
     "text": "/latent/7"
    }
   },
   {
    "box": {
     "id": "obj-67",
     "maxclass": "slider",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [130.0, 470.0, 200.0, 20.0],
     "floatoutput": 1,
     "orientation": 1,
     "min": -6.0,
     "size": 12.0,
     "parameter_enable": 0
    }
   },
   {
    "box": {
     "id": "obj-68",
     "maxclass": "flonum",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": ["", "bang"],
     "patching_rect": [338.0, 469.0, 60.0, 22.0],
     "format": 6,
     "parameter_enable": 0,
     "minimum": -6.0,
     "maximum": 6.0
    }
   },
   {
    "box": {
     "id": "obj-69",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [406.0, 469.0, 133.0, 22.0],
     "text": "prepend /latent/7"
    }
   },
   {
    "box": {
     "id": "obj-70",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [566.0, 469.0, 98.0, 22.0],
     "text": "s glitch-out"
    }
   },
   {
    "box": {
     "id": "obj-71",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [20.0, 500.0, 110.0, 20.0],
     "text": "/latent/8"
    }
   },
   {
    "box": {
     "id": "obj-72",
     "maxclass": "slider",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [130.0, 500.0, 200.0, 20.0],
     "floatoutput": 1,
     "orientation": 1,
     "min": -6.0,
     "size": 12.0,
     "parameter_enable": 0
    }
   },
   {
    "box": {
     "id": "obj-73",
     "maxclass": "flonum",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": ["", "bang"],
     "patching_rect": [338.0, 499.0, 60.0, 22.0],
     "format": 6,
     "parameter_enable": 0,
     "minimum": -6.0,
     "maximum": 6.0
    }
   },
   {
    "box": {
     "id": "obj-74",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [406.0, 499.0, 133.0, 22.0],
     "text": "prepend /latent/8"
    }
   },
   {
    "box": {
     "id": "obj-75",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [566.0, 499.0, 98.0, 22.0],
     "text": "s glitch-out"
    }
   },
   {
    "box": {
     "id": "obj-76",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [130.0, 532.0, 126.0, 22.0],
     "text": "/latent 0.5 -1 2"
    }
   },
   {
    "box": {
     "id": "obj-77",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [556.0, 532.0, 98.0, 22.0],
     "text": "s glitch-out"
    }
   },
   {
    "box": {
     "id": "obj-78",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [20.0, 532.0, 110.0, 20.0],
     "text": "several at once"
    }
   },
   {
    "box": {
     "id": "obj-79",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [760.0, 262.0, 400.0, 20.0],
     "text": "the model's own controls, and the session"
    }
   },
   {
    "box": {
     "id": "obj-80",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [760.0, 290.0, 110.0, 20.0],
     "text": "/pitch"
    }
   },
   {
    "box": {
     "id": "obj-81",
     "maxclass": "slider",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [870.0, 290.0, 200.0, 20.0],
     "floatoutput": 1,
     "orientation": 1,
     "min": 24.0,
     "size": 84.0,
     "parameter_enable": 0
    }
   },
   {
    "box": {
     "id": "obj-82",
     "maxclass": "flonum",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": ["", "bang"],
     "patching_rect": [1078.0, 289.0, 60.0, 22.0],
     "format": 6,
     "parameter_enable": 0,
     "minimum": 24.0,
     "maximum": 108.0
    }
   },
   {
    "box": {
     "id": "obj-83",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [1146.0, 289.0, 112.0, 22.0],
     "text": "prepend /pitch"
    }
   },
   {
    "box": {
     "id": "obj-84",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [1306.0, 289.0, 98.0, 22.0],
     "text": "s glitch-out"
    }
   },
   {
    "box": {
     "id": "obj-85",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [760.0, 320.0, 110.0, 20.0],
     "text": "/loudness"
    }
   },
   {
    "box": {
     "id": "obj-86",
     "maxclass": "slider",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [870.0, 320.0, 200.0, 20.0],
     "floatoutput": 1,
     "orientation": 1,
     "min": -90.0,
     "size": 84.0,
     "parameter_enable": 0
    }
   },
   {
    "box": {
     "id": "obj-87",
     "maxclass": "flonum",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": ["", "bang"],
     "patching_rect": [1078.0, 319.0, 60.0, 22.0],
     "format": 6,
     "parameter_enable": 0,
     "minimum": -90.0,
     "maximum": -6.0
    }
   },
   {
    "box": {
     "id": "obj-88",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [1146.0, 319.0, 133.0, 22.0],
     "text": "prepend /loudness"
    }
   },
   {
    "box": {
     "id": "obj-89",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [1306.0, 319.0, 98.0, 22.0],
     "text": "s glitch-out"
    }
   },
   {
    "box": {
     "id": "obj-90",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [760.0, 350.0, 110.0, 20.0],
     "text": "/gain"
    }
   },
   {
    "box": {
     "id": "obj-91",
     "maxclass": "slider",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [870.0, 350.0, 200.0, 20.0],
     "floatoutput": 1,
     "orientation": 1,
     "min": -80.0,
     "size": 92.0,
     "parameter_enable": 0
    }
   },
   {
    "box": {
     "id": "obj-92",
     "maxclass": "flonum",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": ["", "bang"],
     "patching_rect": [1078.0, 349.0, 60.0, 22.0],
     "format": 6,
     "parameter_enable": 0,
     "minimum": -80.0,
     "maximum": 12.0
    }
   },
   {
    "box": {
     "id": "obj-93",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [1146.0, 349.0, 105.0, 22.0],
     "text": "prepend /gain"
    }
   },
   {
    "box": {
     "id": "obj-94",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [1306.0, 349.0, 98.0, 22.0],
     "text": "s glitch-out"
    }
   },
   {
    "box": {
     "id": "obj-95",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [760.0, 380.0, 110.0, 20.0],
     "text": "/crossfade"
    }
   },
   {
    "box": {
     "id": "obj-96",
     "maxclass": "slider",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [870.0, 380.0, 200.0, 20.0],
     "floatoutput": 1,
     "orientation": 1,
     "min": 0.0,
     "size": 1.0,
     "parameter_enable": 0
    }
   },
   {
    "box": {
     "id": "obj-97",
     "maxclass": "flonum",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": ["", "bang"],
     "patching_rect": [1078.0, 379.0, 60.0, 22.0],
     "format": 6,
     "parameter_enable": 0,
     "minimum": 0.0,
     "maximum": 1.0
    }
   },
   {
    "box": {
     "id": "obj-98",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [1146.0, 379.0, 140.0, 22.0],
     "text": "prepend /crossfade"
    }
   },
   {
    "box": {
     "id": "obj-99",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [1306.0, 379.0, 98.0, 22.0],
     "text": "s glitch-out"
    }
   },
   {
    "box": {
     "id": "obj-100",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [760.0, 410.0, 110.0, 20.0],
     "text": "/tempo"
    }
   },
   {
    "box": {
     "id": "obj-101",
     "maxclass": "slider",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [870.0, 410.0, 200.0, 20.0],
     "floatoutput": 1,
     "orientation": 1,
     "min": 20.0,
     "size": 380.0,
     "parameter_enable": 0
    }
   },
   {
    "box": {
     "id": "obj-102",
     "maxclass": "flonum",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": ["", "bang"],
     "patching_rect": [1078.0, 409.0, 60.0, 22.0],
     "format": 6,
     "parameter_enable": 0,
     "minimum": 20.0,
     "maximum": 400.0
    }
   },
   {
    "box": {
     "id": "obj-103",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [1146.0, 409.0, 112.0, 22.0],
     "text": "prepend /tempo"
    }
   },
   {
    "box": {
     "id": "obj-104",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [1306.0, 409.0, 98.0, 22.0],
     "text": "s glitch-out"
    }
   },
   {
    "box": {
     "id": "obj-105",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [760.0, 440.0, 110.0, 20.0],
     "text": "/walk/speed"
    }
   },
   {
    "box": {
     "id": "obj-106",
     "maxclass": "slider",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [870.0, 440.0, 200.0, 20.0],
     "floatoutput": 1,
     "orientation": 1,
     "min": 0.0,
     "size": 20.0,
     "parameter_enable": 0
    }
   },
   {
    "box": {
     "id": "obj-107",
     "maxclass": "flonum",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": ["", "bang"],
     "patching_rect": [1078.0, 439.0, 60.0, 22.0],
     "format": 6,
     "parameter_enable": 0,
     "minimum": 0.0,
     "maximum": 20.0
    }
   },
   {
    "box": {
     "id": "obj-108",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [1146.0, 439.0, 147.0, 22.0],
     "text": "prepend /walk/speed"
    }
   },
   {
    "box": {
     "id": "obj-109",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [1306.0, 439.0, 98.0, 22.0],
     "text": "s glitch-out"
    }
   },
   {
    "box": {
     "id": "obj-110",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [760.0, 470.0, 110.0, 20.0],
     "text": "/walk/radius"
    }
   },
   {
    "box": {
     "id": "obj-111",
     "maxclass": "slider",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [870.0, 470.0, 200.0, 20.0],
     "floatoutput": 1,
     "orientation": 1,
     "min": 0.0,
     "size": 4.0,
     "parameter_enable": 0
    }
   },
   {
    "box": {
     "id": "obj-112",
     "maxclass": "flonum",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": ["", "bang"],
     "patching_rect": [1078.0, 469.0, 60.0, 22.0],
     "format": 6,
     "parameter_enable": 0,
     "minimum": 0.0,
     "maximum": 4.0
    }
   },
   {
    "box": {
     "id": "obj-113",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [1146.0, 469.0, 154.0, 22.0],
     "text": "prepend /walk/radius"
    }
   },
   {
    "box": {
     "id": "obj-114",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [1306.0, 469.0, 98.0, 22.0],
     "text": "s glitch-out"
    }
   },
   {
    "box": {
     "id": "obj-115",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [760.0, 500.0, 110.0, 20.0],
     "text": "/xy/amount"
    }
   },
   {
    "box": {
     "id": "obj-116",
     "maxclass": "slider",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [870.0, 500.0, 200.0, 20.0],
     "floatoutput": 1,
     "orientation": 1,
     "min": 0.0,
     "size": 1.0,
     "parameter_enable": 0
    }
   },
   {
    "box": {
     "id": "obj-117",
     "maxclass": "flonum",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": ["", "bang"],
     "patching_rect": [1078.0, 499.0, 60.0, 22.0],
     "format": 6,
     "parameter_enable": 0,
     "minimum": 0.0,
     "maximum": 1.0
    }
   },
   {
    "box": {
     "id": "obj-118",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [1146.0, 499.0, 140.0, 22.0],
     "text": "prepend /xy/amount"
    }
   },
   {
    "box": {
     "id": "obj-119",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [1306.0, 499.0, 98.0, 22.0],
     "text": "s glitch-out"
    }
   },
   {
    "box": {
     "id": "obj-120",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [20.0, 572.0, 680.0, 20.0],
     "text": "/xy/x and /xy/y: a position on the map of the training sounds; /xy/amount sets how much of it is played"
    }
   },
   {
    "box": {
     "id": "obj-121",
     "maxclass": "pictslider",
     "numinlets": 2,
     "numoutlets": 2,
     "outlettype": ["int", "int"],
     "patching_rect": [20.0, 600.0, 200.0, 200.0],
     "parameter_enable": 0,
     "leftvalue": 0,
     "rightvalue": 1000,
     "bottomvalue": 0,
     "topvalue": 1000
    }
   },
   {
    "box": {
     "id": "obj-122",
     "maxclass": "newobj",
     "numinlets": 6,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [240.0, 600.0, 140.0, 22.0],
     "text": "scale 0 1000 0. 1."
    }
   },
   {
    "box": {
     "id": "obj-123",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [240.0, 626.0, 105.0, 22.0],
     "text": "prepend /xy/x"
    }
   },
   {
    "box": {
     "id": "obj-124",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [400.0, 626.0, 98.0, 22.0],
     "text": "s glitch-out"
    }
   },
   {
    "box": {
     "id": "obj-125",
     "maxclass": "newobj",
     "numinlets": 6,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [240.0, 660.0, 140.0, 22.0],
     "text": "scale 0 1000 0. 1."
    }
   },
   {
    "box": {
     "id": "obj-126",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [240.0, 686.0, 105.0, 22.0],
     "text": "prepend /xy/y"
    }
   },
   {
    "box": {
     "id": "obj-127",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [400.0, 686.0, 98.0, 22.0],
     "text": "s glitch-out"
    }
   },
   {
    "box": {
     "id": "obj-128",
     "maxclass": "newobj",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [240.0, 760.0, 91.0, 22.0],
     "text": "pak 500 500"
    }
   },
   {
    "box": {
     "id": "obj-129",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [240.0, 788.0, 91.0, 22.0],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "id": "obj-130",
     "maxclass": "newobj",
     "numinlets": 6,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [240.0, 730.0, 140.0, 22.0],
     "text": "scale 0. 1. 0 1000"
    }
   },
   {
    "box": {
     "id": "obj-131",
     "maxclass": "newobj",
     "numinlets": 6,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [390.0, 730.0, 140.0, 22.0],
     "text": "scale 0. 1. 0 1000"
    }
   },
   {
    "box": {
     "id": "obj-132",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [720.0, 572.0, 200.0, 20.0],
     "text": "recall a snapshot"
    }
   },
   {
    "box": {
     "id": "obj-133",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [720.0, 672.0, 98.0, 22.0],
     "text": "s glitch-out"
    }
   },
   {
    "box": {
     "id": "obj-134",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [720.0, 600.0, 98.0, 22.0],
     "text": "/snapshot/1"
    }
   },
   {
    "box": {
     "id": "obj-135",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [824.0, 600.0, 98.0, 22.0],
     "text": "/snapshot/2"
    }
   },
   {
    "box": {
     "id": "obj-136",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [928.0, 600.0, 98.0, 22.0],
     "text": "/snapshot/3"
    }
   },
   {
    "box": {
     "id": "obj-137",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [1032.0, 600.0, 98.0, 22.0],
     "text": "/snapshot/4"
    }
   },
   {
    "box": {
     "id": "obj-138",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [1136.0, 600.0, 98.0, 22.0],
     "text": "/snapshot/5"
    }
   },
   {
    "box": {
     "id": "obj-139",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [1240.0, 600.0, 98.0, 22.0],
     "text": "/snapshot/6"
    }
   },
   {
    "box": {
     "id": "obj-140",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [1344.0, 600.0, 98.0, 22.0],
     "text": "/snapshot/7"
    }
   },
   {
    "box": {
     "id": "obj-141",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [1448.0, 600.0, 98.0, 22.0],
     "text": "/snapshot/8"
    }
   },
   {
    "box": {
     "id": "obj-142",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [720.0, 634.0, 98.0, 22.0],
     "text": "/snapshot/9"
    }
   },
   {
    "box": {
     "id": "obj-143",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [824.0, 634.0, 98.0, 22.0],
     "text": "/snapshot/10"
    }
   },
   {
    "box": {
     "id": "obj-144",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [928.0, 634.0, 98.0, 22.0],
     "text": "/snapshot/11"
    }
   },
   {
    "box": {
     "id": "obj-145",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [1032.0, 634.0, 98.0, 22.0],
     "text": "/snapshot/12"
    }
   },
   {
    "box": {
     "id": "obj-146",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [1136.0, 634.0, 98.0, 22.0],
     "text": "/snapshot/13"
    }
   },
   {
    "box": {
     "id": "obj-147",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [1240.0, 634.0, 98.0, 22.0],
     "text": "/snapshot/14"
    }
   },
   {
    "box": {
     "id": "obj-148",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [1344.0, 634.0, 98.0, 22.0],
     "text": "/snapshot/15"
    }
   },
   {
    "box": {
     "id": "obj-149",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [1448.0, 634.0, 98.0, 22.0],
     "text": "/snapshot/16"
    }
   },
   {
    "box": {
     "id": "obj-150",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [720.0, 730.0, 98.0, 22.0],
     "text": "/panic"
    }
   },
   {
    "box": {
     "id": "obj-151",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [824.0, 730.0, 98.0, 22.0],
     "text": "/reset"
    }
   },
   {
    "box": {
     "id": "obj-152",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [928.0, 730.0, 98.0, 22.0],
     "text": "/focus 0"
    }
   },
   {
    "box": {
     "id": "obj-153",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [1032.0, 730.0, 98.0, 22.0],
     "text": "/focus 1"
    }
   },
   {
    "box": {
     "id": "obj-154",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [720.0, 706.0, 620.0, 20.0],
     "text": "fade out at once and return to rest; this deck only; the deck in focus, A or B"
    }
   },
   {
    "box": {
     "id": "obj-155",
     "maxclass": "toggle",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": ["int"],
     "patching_rect": [720.0, 770.0, 24.0, 24.0],
     "parameter_enable": 0
    }
   },
   {
    "box": {
     "id": "obj-156",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [""],
     "patching_rect": [752.0, 771.0, 105.0, 22.0],
     "text": "prepend /mute"
    }
   },
   {
    "box": {
     "id": "obj-157",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [870.0, 771.0, 98.0, 22.0],
     "text": "s glitch-out"
    }
   },
   {
    "box": {
     "id": "obj-158",
     "maxclass": "multislider",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": ["", ""],
     "patching_rect": [1000.0, 764.0, 120.0, 70.0],
     "parameter_enable": 0,
     "size": 2,
     "setminmax": [0.0, 1.0],
     "setstyle": 0,
     "ignoreclick": 1
    }
   },
   {
    "box": {
     "id": "obj-159",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [1126.0, 786.0, 200.0, 20.0],
     "text": "/meter/rms, 1 is full scale"
    }
   }
  ],
  "lines": [
   {
    "patchline": {
     "destination": ["obj-4", 0],
     "source": ["obj-3", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-5", 0],
     "source": ["obj-4", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-6", 0],
     "source": ["obj-5", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-7", 0],
     "source": ["obj-6", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-9", 0],
     "source": ["obj-7", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-9", 0],
     "source": ["obj-8", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-9", 0],
     "source": ["obj-11", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-16", 0],
     "source": ["obj-14", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-17", 0],
     "source": ["obj-16", 8]
    }
   },
   {
    "patchline": {
     "destination": ["obj-18", 0],
     "source": ["obj-16", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-19", 0],
     "source": ["obj-16", 1]
    }
   },
   {
    "patchline": {
     "destination": ["obj-20", 0],
     "source": ["obj-16", 2]
    }
   },
   {
    "patchline": {
     "destination": ["obj-21", 0],
     "source": ["obj-16", 3]
    }
   },
   {
    "patchline": {
     "destination": ["obj-22", 0],
     "source": ["obj-16", 4]
    }
   },
   {
    "patchline": {
     "destination": ["obj-23", 0],
     "source": ["obj-16", 5]
    }
   },
   {
    "patchline": {
     "destination": ["obj-24", 0],
     "source": ["obj-16", 6]
    }
   },
   {
    "patchline": {
     "destination": ["obj-25", 0],
     "source": ["obj-16", 7]
    }
   },
   {
    "patchline": {
     "destination": ["obj-26", 0],
     "source": ["obj-17", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-27", 0],
     "source": ["obj-17", 1]
    }
   },
   {
    "patchline": {
     "destination": ["obj-28", 0],
     "source": ["obj-17", 2]
    }
   },
   {
    "patchline": {
     "destination": ["obj-29", 0],
     "source": ["obj-17", 3]
    }
   },
   {
    "patchline": {
     "destination": ["obj-30", 0],
     "source": ["obj-17", 4]
    }
   },
   {
    "patchline": {
     "destination": ["obj-31", 0],
     "source": ["obj-17", 7]
    }
   },
   {
    "patchline": {
     "destination": ["obj-32", 0],
     "source": ["obj-17", 8]
    }
   },
   {
    "patchline": {
     "destination": ["obj-33", 0],
     "source": ["obj-17", 9]
    }
   },
   {
    "patchline": {
     "destination": ["obj-34", 0],
     "source": ["obj-17", 10]
    }
   },
   {
    "patchline": {
     "destination": ["obj-38", 0],
     "source": ["obj-37", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-39", 0],
     "source": ["obj-38", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-40", 0],
     "source": ["obj-39", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-37", 0],
     "source": ["obj-18", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-38", 0],
     "source": ["obj-18", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-43", 0],
     "source": ["obj-42", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-44", 0],
     "source": ["obj-43", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-45", 0],
     "source": ["obj-44", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-42", 0],
     "source": ["obj-19", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-43", 0],
     "source": ["obj-19", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-48", 0],
     "source": ["obj-47", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-49", 0],
     "source": ["obj-48", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-50", 0],
     "source": ["obj-49", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-47", 0],
     "source": ["obj-20", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-48", 0],
     "source": ["obj-20", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-53", 0],
     "source": ["obj-52", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-54", 0],
     "source": ["obj-53", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-55", 0],
     "source": ["obj-54", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-52", 0],
     "source": ["obj-21", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-53", 0],
     "source": ["obj-21", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-58", 0],
     "source": ["obj-57", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-59", 0],
     "source": ["obj-58", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-60", 0],
     "source": ["obj-59", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-57", 0],
     "source": ["obj-22", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-58", 0],
     "source": ["obj-22", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-63", 0],
     "source": ["obj-62", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-64", 0],
     "source": ["obj-63", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-65", 0],
     "source": ["obj-64", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-62", 0],
     "source": ["obj-23", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-63", 0],
     "source": ["obj-23", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-68", 0],
     "source": ["obj-67", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-69", 0],
     "source": ["obj-68", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-70", 0],
     "source": ["obj-69", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-67", 0],
     "source": ["obj-24", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-68", 0],
     "source": ["obj-24", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-73", 0],
     "source": ["obj-72", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-74", 0],
     "source": ["obj-73", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-75", 0],
     "source": ["obj-74", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-72", 0],
     "source": ["obj-25", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-73", 0],
     "source": ["obj-25", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-77", 0],
     "source": ["obj-76", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-82", 0],
     "source": ["obj-81", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-83", 0],
     "source": ["obj-82", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-84", 0],
     "source": ["obj-83", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-81", 0],
     "source": ["obj-26", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-82", 0],
     "source": ["obj-26", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-87", 0],
     "source": ["obj-86", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-88", 0],
     "source": ["obj-87", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-89", 0],
     "source": ["obj-88", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-86", 0],
     "source": ["obj-27", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-87", 0],
     "source": ["obj-27", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-92", 0],
     "source": ["obj-91", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-93", 0],
     "source": ["obj-92", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-94", 0],
     "source": ["obj-93", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-91", 0],
     "source": ["obj-28", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-92", 0],
     "source": ["obj-28", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-97", 0],
     "source": ["obj-96", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-98", 0],
     "source": ["obj-97", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-99", 0],
     "source": ["obj-98", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-96", 0],
     "source": ["obj-29", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-97", 0],
     "source": ["obj-29", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-102", 0],
     "source": ["obj-101", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-103", 0],
     "source": ["obj-102", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-104", 0],
     "source": ["obj-103", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-101", 0],
     "source": ["obj-30", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-102", 0],
     "source": ["obj-30", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-107", 0],
     "source": ["obj-106", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-108", 0],
     "source": ["obj-107", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-109", 0],
     "source": ["obj-108", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-106", 0],
     "source": ["obj-32", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-107", 0],
     "source": ["obj-32", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-112", 0],
     "source": ["obj-111", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-113", 0],
     "source": ["obj-112", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-114", 0],
     "source": ["obj-113", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-111", 0],
     "source": ["obj-33", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-112", 0],
     "source": ["obj-33", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-117", 0],
     "source": ["obj-116", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-118", 0],
     "source": ["obj-117", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-119", 0],
     "source": ["obj-118", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-116", 0],
     "source": ["obj-31", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-117", 0],
     "source": ["obj-31", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-122", 0],
     "source": ["obj-121", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-123", 0],
     "source": ["obj-122", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-124", 0],
     "source": ["obj-123", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-125", 0],
     "source": ["obj-121", 1]
    }
   },
   {
    "patchline": {
     "destination": ["obj-126", 0],
     "source": ["obj-125", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-127", 0],
     "source": ["obj-126", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-129", 0],
     "source": ["obj-128", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-121", 0],
     "source": ["obj-129", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-130", 0],
     "source": ["obj-17", 5]
    }
   },
   {
    "patchline": {
     "destination": ["obj-128", 0],
     "source": ["obj-130", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-131", 0],
     "source": ["obj-17", 6]
    }
   },
   {
    "patchline": {
     "destination": ["obj-128", 1],
     "source": ["obj-131", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-133", 0],
     "source": ["obj-134", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-133", 0],
     "source": ["obj-135", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-133", 0],
     "source": ["obj-136", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-133", 0],
     "source": ["obj-137", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-133", 0],
     "source": ["obj-138", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-133", 0],
     "source": ["obj-139", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-133", 0],
     "source": ["obj-140", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-133", 0],
     "source": ["obj-141", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-133", 0],
     "source": ["obj-142", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-133", 0],
     "source": ["obj-143", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-133", 0],
     "source": ["obj-144", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-133", 0],
     "source": ["obj-145", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-133", 0],
     "source": ["obj-146", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-133", 0],
     "source": ["obj-147", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-133", 0],
     "source": ["obj-148", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-133", 0],
     "source": ["obj-149", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-133", 0],
     "source": ["obj-150", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-133", 0],
     "source": ["obj-151", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-133", 0],
     "source": ["obj-152", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-133", 0],
     "source": ["obj-153", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-156", 0],
     "source": ["obj-155", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-157", 0],
     "source": ["obj-156", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-155", 0],
     "source": ["obj-34", 0]
    }
   },
   {
    "patchline": {
     "destination": ["obj-158", 0],
     "source": ["obj-17", 11]
    }
   }
  ],
  "dependency_cache": [],
  "autosave": 0
 }
}
