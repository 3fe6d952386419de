package checker
import ("testing";"os";"time";"fmt";"path/filepath"
"github.com/torntail/torntail/checker/history"
"github.com/torntail/torntail/checker/contract";"github.com/torntail/torntail/checker/zones")
func TestZZ(t *testing.T){
	dir := filepath.Join(module(t, "github.com/anishathalye/porcupine"), "test_data", "kv")
	for _, name := range []string{"c01-ok","c01-bad","c10-ok","c10-bad","c50-ok","c50-bad"} {
		f, _ := os.Open(filepath.Join(dir, name+".txt"))
		h, _ := history.DecodeEDN(f); f.Close()
		var j Judge
		j.bare=true
		t0:=time.Now(); out:=j.Judge(h, contract.Clients()); d:=time.Since(t0)
		j.regs.Build(zones.Input{Ops:h.Ops,Crash:zones.Late}); 
		e:=&epoch{life:&endless,to:len(h.Ops)}
		j.h=h; j.out=&Judgement{}; j.e=e
		parts:=j.components(e,true)
		t0=time.Now(); steps:=int64(0)
		for _,c:=range parts{ r:=c.problem.Search(j.Options.Limits); steps+=r.Steps }
		d2:=time.Since(t0)
		t0=time.Now()
		for _,c:=range parts{ c.problem.ByPorcupine(j.Options.Limits)}
		fmt.Println(name,len(h.Ops),out.Verdict,d,"search",d2,steps,"porc",time.Since(t0))
	}
}
