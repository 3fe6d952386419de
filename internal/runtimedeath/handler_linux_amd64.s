#include "textflag.h"

// Called by the kernel, as every handler of signals is: the signal in DI, its siginfo in SI,
// the context in DX. Nothing but AX is changed before Go's handler is gone to.
TEXT onAbort<>(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	CMPL	8(SI), $-6            // si_code: SI_TKILL, a thread's own raise
	JEQ	exit
	MOVQ	·goHandler(SB), AX
	JMP	AX
exit:
	MOVL	·exitStatus(SB), DI
	MOVL	$231, AX              // exit_group(2)
	SYSCALL
	INT	$3                    // not reached

DATA ·handler(SB)/8, $onAbort<>(SB)
GLOBL ·handler(SB), NOPTR, $8
