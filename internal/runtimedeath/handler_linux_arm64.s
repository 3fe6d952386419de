#include "textflag.h"

// Called by the kernel, as every handler of signals is: the signal in R0, its siginfo in R1,
// the context in R2. Nothing but R9 and R10 is changed before Go's handler is gone to.
TEXT onAbort<>(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVW	8(R1), R9             // si_code
	MOVD	$-6, R10              // SI_TKILL: a thread's own raise
	CMPW	R10, R9
	BEQ	exit
	MOVD	·goHandler(SB), R9
	JMP	(R9)
exit:
	MOVWU	·exitStatus(SB), R0
	MOVD	$94, R8               // exit_group(2)
	SVC
	UNDEF                         // not reached

DATA ·handler(SB)/8, $onAbort<>(SB)
GLOBL ·handler(SB), NOPTR, $8
