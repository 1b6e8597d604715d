"""Numbers of controllers and registered parameters that have a meaning of their own.

Sources: MIDI 1.0 Detailed Specification 4.2.1, tables III (controllers), IIIa (registered parameters) and IV (channel
mode messages); MIDI Polyphonic Expression 1.1 (MIDI Association, 2022), "MPE Configuration Message".
"""

from __future__ import annotations

BANK_SELECT = 0  # its LSB is BANK_SELECT + LSB_OFFSET
DATA_ENTRY_MSB, DATA_ENTRY_LSB = 6, 38
LSB_OFFSET = 32  # controller n + 32 is the LSB of controller n, for n from 0 to 31
SUSTAIN = 64
TIMBRE = 74  # of one note, in MPE
DATA_INCREMENT, DATA_DECREMENT = 96, 97
NRPN_LSB, NRPN_MSB = 98, 99
RPN_LSB, RPN_MSB = 100, 101
ALL_SOUND_OFF, RESET_ALL_CONTROLLERS, ALL_NOTES_OFF = 120, 121, 123
MODE_MESSAGES = range(120, 128)

# Registered parameters
RPN_PITCH_BEND_RANGE, RPN_MPE_CONFIGURATION = 0, 6
NO_PARAMETER = (127, 127)  # MSB and LSB that deselect registered and other parameters
